# ruff: noqa: E501 - a phrase is one line, however many alternatives it has
"""Asking for payment, and the baits that go with it. Asking *whether* one paid is the daily work."""

from typing import Final

_EN: Final = "money|funds|fee|fees|deposit|sats|satoshis|bitcoin|bitcoins|btc|amount|cash|coins|payment|fiat|dollars|euros|usdt|remainder|balance|rest|half|tip"
_EN_EVIDENCE: Final = "receipt|receipts|proof|confirmation|screenshot|details|reference|date|time|method|information|info|slip|id|record|evidence|statement|document|documents|number|notification|history"
_ES: Final = "dinero|fondos|pago|comision|tarifa|deposito|sats|satoshis|bitcoin|bitcoins|btc|monto|importe|cantidad|efectivo|resto|saldo|mitad|propina|transferencia|euros|dolares|pesos"
_PT: Final = "dinheiro|fundos|pagamento|comissao|taxa|deposito|sats|satoshis|bitcoin|bitcoins|btc|valor|montante|quantia|resto|saldo|metade|gorjeta|transferencia|pix|euros|reais"
_FR: Final = "argent|fonds|paiement|commission|frais|depot|sats|satoshis|bitcoin|bitcoins|btc|montant|somme|reste|solde|moitie|pourboire|virement|euros"
_DE: Final = "geld|gelder|zahlung|gebuhr|gebuhren|anzahlung|sats|satoshis|bitcoin|bitcoins|btc|betrag|summe|rest|restbetrag|halfte|trinkgeld|kaution|euro"
_IT: Final = "denaro|soldi|fondi|pagamento|commissione|tariffa|deposito|sats|satoshi|bitcoin|btc|importo|somma|resto|saldo|meta|mancia|bonifico|cauzione|euro"

ASKED_FOR: Final = {
    "en": (
        f"!send|pay|transfer|wire|deposit|remit|forward|resend|repay|refund|top_up .. {_EN} ^{_EN_EVIDENCE}",
        "!pay|repay|refund|compensate|reimburse|tip us|me|him|her|them|the|this|your|serbero|mostro|again|back|now|up|twice",
        "pay|deposit|send|transfer a|an|the|another|some|small|additional|extra|_ fee|fees|tip|bribe|commission|surcharge|fine|penalty|deposit|processing_fee|tax",
        "send|pay|transfer|deposit|forward the|your|some|_ sats|bitcoin|btc|money|coins|payment|funds .. to_this|to_the_following|to_me|to_us|to_our|to_my|below|here|address",
        "fee|deposit|payment|fine|penalty is|of required|needed|necessary|due|mandatory",
        "processing|unlocking|arbitration|mediation|dispute|verification|security|expedite|release|service|solver fee|fees|deposit|charge|tax",
        "send|pay|deposit|transfer~ .. and_i_will|and_we_will|and_i_ll|and_we_ll|so_that_i|so_that_we|so_i_can|so_we_can",
        "gift card|cards|voucher",
        "mind sending|paying|transferring|depositing|covering",
        f"!deposit|prepay|advance ^{_EN_EVIDENCE}",
    ),
    "es": (
        f"!envie|envia|envien|mande|manda|pague|paga|transfiera|transfiere|deposite|deposita|abone|ingrese|reenvie|reenvia|enviar|pagar|transferir|depositar|abonar .. {_ES} ^comprobante|realizado",
        "envieme|enviame|mandeme|mandame|pagueme|pagame|transfierame|depositeme|paguenos|envienos",
        "pague|pagar|paga|abone|abonar|deposite|depositar una|un|la|el|esta|_ pequena|pequeno|_ comision|tarifa|multa|tasa|cuota|propina|deposito|fianza|recargo|soborno",
        "comision|tarifa|tasa|cuota|deposito de procesamiento|desbloqueo|arbitraje|mediacion|verificacion|gestion|liberacion|seguridad",
        "comision|tarifa|tasa|cuota|deposito|pago es necesario|necesaria|obligatorio|obligatoria|requerido|requerida",
        "tarjeta|tarjetas de regalo",
        "vuelva|vuelve a pagar|transferir|enviar_el",
    ),
    "pt": (
        f"!envie|envia|mande|manda|pague|paga|transfira|transfere|deposite|deposita|reenvie|enviar|pagar|transferir|depositar|faca .. {_PT} ^comprovante|comprovativo|realizado",
        "envie_me|mande_me|pague_me|transfira_me|me_envie_o|me_pague|me_mande_o|me_transfira|faca_um_pix|faz_um_pix",
        "pague|pagar|paga|deposite|depositar uma|um|a|o|esta|_ pequena|pequeno|_ comissao|tarifa|multa|taxa|gorjeta|deposito|caucao|suborno",
        "comissao|tarifa|taxa|deposito de|da processamento|desbloqueio|arbitragem|mediacao|verificacao|gestao|liberacao|seguranca",
        "comissao|tarifa|taxa|deposito|pagamento e necessario|necessaria|obrigatorio|obrigatoria",
        "cartao|cartoes presente",
    ),
    "fr": (
        f"!envoyez|envoie|payez|paie|paye|transferez|transfere|versez|verse|deposez|depose|virez|reglez|renvoyez|envoyer|payer|transferer|verser|deposer|regler .. {_FR} ^recu|effectue",
        "envoyez_moi_l|envoie_moi_l|payez_moi|paie_moi|versez_moi|versez_nous|payez_nous|virez_moi|remboursez_moi|remboursez_le|remboursez_la",
        "payez|payer|paie|versez|verser|deposez|deposer|reglez|regler une|un|des|les|la|le|cette|ces|_ petite|petit|petits|_ commission|frais|amende|taxe|pourboire|depot|caution|penalite",
        "frais|commission|taxe|depot de|d traitement|deblocage|arbitrage|mediation|verification|dossier|liberation|garantie|securite",
        "frais|commission|depot|paiement est|sont obligatoire|obligatoires|requis|necessaire|necessaires",
        "carte|cartes cadeau|cadeaux",
    ),
    "de": (
        f"!senden|sende|schicken|schick|schicke|zahlen|zahl|zahle|bezahlen|bezahle|uberweisen|uberweise|hinterlegen|hinterlege|einzahlen|leisten|entrichten|transferieren sie|mir|uns|ihm|ihr|du|den|die|das|eine|einen|_ .. {_DE} ^gesendet|uberwiesen|bezahlt|erhalten|beleg",
        f"mussen|musst|sollen|sollten|solltest|konnen|konnten|werden .. {_DE} .. zahlen|bezahlen|uberweisen|senden|schicken|einzahlen|hinterlegen|entrichten",
        "zahlen|bezahlen|hinterlegen|entrichten sie|du|bitte|_ eine|die|einen|_ kleine|_ gebuhr|strafe|kaution|anzahlung|provision|trinkgeld|steuer",
        "bearbeitungsgebuhr|freischaltgebuhr|schlichtungsgebuhr|vermittlungsgebuhr|verifizierungsgebuhr|streitgebuhr|servicegebuhr|freigabegebuhr|sicherheitsleistung",
        "gebuhr|kaution|zahlung ist erforderlich|notig|notwendig|fallig",
        "geschenkkarte|geschenkkarten|gutscheinkarte",
    ),
    "it": (
        "faccia|fai|fate un|il|un_altro|altro bonifico|pagamento|versamento",
        f"!invii|invia|inviate|mandi|manda|paghi|paga|pagate|trasferisca|trasferisci|versi|versa|depositi|deposita|bonifichi|reinvii|inviare|pagare|trasferire|versare|depositare .. {_IT} ^ricevuta|effettuato",
        "inviami|mi_invii_il|mi_mandi_il|mandami_il|mandami_i|pagami|mi_paghi|ci_paghi|versami|mi_versi",
        "paghi|pagare|paga|versi|versare|versa|depositi|depositare una|un|la|il|questa|_ piccola|piccolo|_ commissione|tariffa|multa|tassa|mancia|deposito|cauzione|penale",
        "commissione|tariffa|tassa|deposito|spese di elaborazione|sblocco|arbitrato|mediazione|verifica|gestione|rilascio|sicurezza|garanzia",
        "commissione|tariffa|deposito|pagamento e necessario|necessaria|obbligatorio|obbligatoria|richiesto|richiesta",
        "carta|carte regalo",
    ),
}
