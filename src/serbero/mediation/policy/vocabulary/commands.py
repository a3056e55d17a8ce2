"""Words that together make a command or a promise, wherever in a sentence they stand.

A mediator asks; it does not tell. So in what we say to a party, a sentence that is no question, or
one that politely asks for a deed, must not join a *deed* with a *thing* of the trade. Deeds stand
in the forms that order or promise them, never in those that report them (``send``, not ``sent``):
to ask and to repeat what happened is the daily work. Folded, without accents.
"""

from typing import Final

MONEY: Final = {
    "en": (
        "release unlock unfreeze free give send pay repay refund return transfer wire deposit "
        "hand forward settle move deliver surrender resend remit reimburse buy get receive "
        "recover refunded reimbursed owe owes deserve deserves",
        "sats satoshis bitcoin bitcoins btc coins funds money escrow refund payment payments "
        "fee deposit amount remainder cash collateral credit refunded reimbursed",
    ),
    "es": (
        "suelte suelta soltar entregue entrega entregar libere libera liberar envie envia "
        "enviar mande manda mandar pague paga pagar paguele pagale abone abonar transfiera "
        "transfiere transferir devuelva devuelve devolver devolvera devolveran reembolse "
        "reembolsar reembolsara deposite deposita depositar haga haz hacer ceda ceder recibira "
        "recibiras recuperara obtendra debe compre compra",
        "sats satoshis bitcoin bitcoins btc fondos dinero pago comision fianza deposito "
        "reembolso transferencia importe monto custodia efectivo",
    ),
    "pt": (
        "solte solta soltar entregue entrega entregar libere libera liberar liberte envie envia "
        "enviar mande manda mandar pague paga pagar transfira transfere transferir devolva "
        "devolve devolver devolvera reembolse reembolsar estorne deposite deposita depositar "
        "faca fazer ceda recebera receberas recuperara obtera deve compre compra",
        "sats satoshis bitcoin bitcoins btc fundos dinheiro pagamento taxa caucao deposito "
        "reembolso transferencia valor pix custodia montante",
    ),
    "fr": (
        "liberez libere liberer rendez rends rendre donnez donne donner envoyez envoie envoyer "
        "payez paie payer versez verse verser virez transferez transfere transferer remboursez "
        "rembourse rembourser remettez remettre deposez deposer faites faire cedez debloquez "
        "debloquer recevrez recevras recupererez obtiendrez devez doit dois achetez rendu "
        "rendus restitue",
        "sats satoshis bitcoin bitcoins btc fonds argent paiement frais caution depot "
        "remboursement virement montant somme sequestre commission",
    ),
    "de": (
        "geben gib gebt freigeben ubergeben ubergib lassen lass loslassen senden sende schicken "
        "schick zahlen zahle bezahlen uberweisen uberweise transferieren erstatten zuruckgeben "
        "zuruckzahlen zuruckuberweisen hinterlegen einzahlen machen mach leisten kaufen kauf "
        "bekommen erhalten schulden schuldet ubertragen auszahlen",
        "sats satoshis bitcoin bitcoins btc geld gelder zahlung gebuhr kaution anzahlung "
        "uberweisung ruckerstattung betrag summe treuhand",
    ),
    "it": (
        "rilasci rilascia rilasciare consegni consegna consegnare sblocchi sblocca sbloccare "
        "invii invia inviare mandi manda mandare paghi paga pagare trasferisca trasferisci "
        "trasferire restituisca restituisci restituire restituito restituiti rimborsi rimborsa "
        "rimborsare versi versa versare depositi ceda ricevera riceverai "
        "recuperera otterra deve devi compri",
        "sats satoshi bitcoin btc fondi soldi denaro pagamento commissione cauzione deposito "
        "rimborso bonifico importo somma",
    ),
}
"""Language to deeds and things: moving money, or promising it."""

PAYEES: Final = {
    "en": (
        "pay repay refund reimburse compensate",
        "me us him her them buyer seller again twice back more party",
    ),
    "es": (
        "pague paga pagar paguele pagale pagueme reembolse reembolsar compense",
        "comprador vendedor nuevo otra me nos vez parte",
    ),
    "pt": (
        "pague paga pagar reembolse reembolsar compense",
        "comprador vendedor novo outra me nos vez parte",
    ),
    "fr": (
        "payez paie payer remboursez rembourser dedommagez",
        "acheteur vendeur moi nous encore nouveau fois partie",
    ),
    "de": (
        "zahlen zahle bezahlen bezahle entschadigen erstatten",
        "kaufer verkaufer mir uns ihm nochmal noch erneut mal seite",
    ),
    "it": (
        "paghi paga pagare rimborsi rimborsare risarcisca",
        "acquirente compratore venditore nuovo ancora mi ci parte volta",
    ),
}
"""Language to deeds and to whom, or how often: paying somebody, paying again."""

TRADES: Final = {
    "en": (
        "cancel close settle finalize terminate void abort approve accept",
        "order trade dispute case deal escrow cancellation refund settlement release",
    ),
    "es": (
        "cancelar cancele cancela cerrar cierre cierra anular anule finalice terminar aceptar "
        "acepte apruebe aprobar",
        "orden operacion disputa caso trato intercambio cancelacion reembolso liberacion",
    ),
    "pt": (
        "cancelar cancele cancela fechar feche encerrar encerre anular anule aceitar aceite aprove",
        "ordem negociacao disputa caso troca cancelamento reembolso liberacao",
    ),
    "fr": (
        "annuler annulez annule fermer fermez cloturer cloturez clore accepter acceptez approuvez",
        "ordre commande echange litige dossier transaction annulation remboursement liberation",
    ),
    "de": (
        "stornieren storniere abbrechen schliessen schliesse beenden annullieren akzeptieren "
        "genehmigen",
        "auftrag order handel streit streitfall fall trade stornierung erstattung freigabe",
    ),
    "it": (
        "annullare annulli annulla chiudere chiuda chiudi terminare accettare accetti accetta "
        "approvi",
        "ordine scambio controversia disputa caso transazione annullamento rimborso rilascio",
    ),
}
"""Language to deeds and things: ending the trade or the dispute."""

VERDICTS: Final = {
    "en": (
        "owes liar lying lies scam scammer scammed fraud fraudster fake thief stole stolen "
        "guilty dishonest cheat cheater cheating verdict wins winner loser guarantee guaranteed "
        "promise promised assured entitled deserve deserves banned rightful untrustworthy"
    ),
    "es": (
        "miente mentiroso mentirosa estafa estafador estafadora fraude falso ladron robo "
        "culpable deshonesto tramposo veredicto gana ganador garantizo garantizamos prometo "
        "prometemos merece vencedor"
    ),
    "pt": (
        "mente mentiroso mentirosa golpe golpista fraude falso ladrao roubou culpado desonesto "
        "trapaceiro veredicto veredito ganha ganhou vencedor garanto garantimos prometo "
        "prometemos merece"
    ),
    "fr": (
        "ment menteur menteuse arnaque arnaqueur escroc fraude faux voleur vole coupable "
        "malhonnete tricheur verdict gagne gagnant garantis garantissons promets promettons "
        "merite merites"
    ),
    "de": (
        "lugt lugner betrug betruger betrugt falsch dieb gestohlen schuldig unehrlich urteil "
        "gewinnt gewonnen gewinner garantiere garantieren verspreche versprechen verdient "
        "anspruch"
    ),
    "it": (
        "mente bugiardo bugiarda truffa truffatore frode falso ladro rubato colpevole disonesto "
        "imbroglione verdetto vince vinto vincitore garantisco garantiamo prometto promettiamo "
        "merita"
    ),
}
"""Words that judge or promise by themselves, outside of questions."""

EVIDENCE: Final = """
screenshot screenshots receipt receipts proof confirmation statement photo photos record reference
details date time slip evidence history copy image notification captura comprobante recibo prueba
justificante extracto foto referencia fecha hora detalle detalles comprovativo comprovante extrato
prova data detalhes referencia capture recu preuve justificatif releve photo heure beleg nachweis
bestatigung screenshot auszug kontoauszug bild uhrzeit datum verwendungszweck einzelheiten ricevuta
schermata estratto riferimento dettagli
"""
"""With one of these in the sentence, sending is sending evidence."""

ASKING: Final = """
when if whether how which what why where did were was have has had
cuando si como cual que donde ha hizo fue pudo
quando se como qual que onde ja fez foi conseguiu
quand si comment quel quelle ou avez avait etait
wann ob wie welche welcher welches was wo haben hat wurde war
quando se come quale che dove ha era
"""
"""A polite request with one of these in it asks for an answer, not for a deed."""

REQUESTS: Final = """
could can would will please kindly might puede puedes podria podrias quiere pode podes poderia quer
pouvez pourriez peux veuillez voulez konnen konnten kannst wurden bitte wollen puo puoi potrebbe
potresti vuole favore favor
"""
"""With one of these near its beginning, a question is a polite request."""
