"""What a statement to a party may touch only within a frame.

A mediator's model has little to state. A sentence that is no question and touches one of these
matters must therefore say why it does: it thanks, repeats what somebody said, speaks of its own
limits, or asks for an account or for evidence. Anything else about them is a ruling, a promise, a
threat or a claim to be somebody, however it is put. Folded, without accents.
"""

from typing import Final

MATTERS: Final = {
    "any": (
        "sats satoshi~ bitcoin~ btc escrow mostro admin~ bot bots robot~ telegram whatsapp "
        "signal discord wallet~ pin password selfie qr app_store anydesk"
    ),
    "en": (
        "releas~ unlock~ coin coins money fund funds refund~ reimburs~ compensat~ bond "
        "collateral belong~ owner~ owns rightful~ button claim~ decid~ decision~ judg~ arbit~ "
        "moderator~ person human~ support code codes digits card sided siding sides "
        "clos~ settl~ cancel~ finali~ suspend~ ban banned police legal~ approv~ "
        "official~ yours hers solved"
    ),
    "es": (
        "liber~ fondo fondos dinero reembols~ devol~ devuel~ fianza pertenec~ boton reclam~ "
        "decid~ decision~ juez~ arbitr~ moderador~ persona humano~ soporte codigo~ digitos "
        "tarjeta razon cerrad~ cerrar~ cancel~ anul~ suspend~ policia legal~ aprob~ oficial~ "
        "billetera monedero cartera contrasena"
    ),
    "pt": (
        "liber~ fundos dinheiro reembols~ devol~ caucao pertenc~ botao reclam~ decid~ decisa~ "
        "deciso~ juiz~ arbitr~ moderador~ pessoa humano~ suporte codigo~ digitos cartao razao "
        "encerr~ fechad~ cancel~ anul~ suspen~ policia legal~ aprov~ oficia~ carteira senha"
    ),
    "fr": (
        "liber~ fonds argent rembours~ restitu~ caution apparten~ apparti~ bouton reclam~ "
        "decid~ decision~ juge~ arbitr~ moderat~ personne humain~ support code codes chiffres "
        "carte raison clos close cloture~ ferme~ annul~ suspend~ police legal~ approuv~ "
        "officiel~ portefeuille rendu~"
    ),
    "de": (
        "freigeb~ freigab~ freigegeb~ geld gelder erstatt~ ruckerstatt~ zuruckgeb~ "
        "zuruckgegeb~ kaution gehor~ knopf schaltflache anspruch~ entscheid~ entschied~ "
        "richter~ schiedsricht~ moderator~ person mensch~ support code codes ziffern karte "
        "recht geschlossen storn~ abgeschlossen gesperrt polizei genehmig~ offizi~ geldborse "
        "passwort"
    ),
    "it": (
        "rilasc~ sblocc~ fondi soldi denaro rimbors~ restitu~ cauzione apparten~ appartiene "
        "pulsante tasto reclam~ decid~ decis~ giudic~ arbitr~ moderat~ persona umano~ "
        "supporto codice codici cifre carta ragione chius~ chiud~ annull~ sospes~ polizia "
        "legal~ approv~ ufficial~ portafoglio"
    ),
}
"""Language to matters; ``~`` stands for any ending."""

FRAMES: Final = {
    "en": (
        "thanks for|thank you for|says|said|say|states|stated|reports|reported|mentioned|"
        "mention|writes|wrote|claims that|claimed|told me|told us|explained|according|"
        "understand|noted|sorry|cannot|unable|not able|automated|describe|tell|share|explain|"
        "clarify|let us know|let me know|check|compare|answer helps|include|attach|avoid|"
        "never|order was for|order is for|trade was for|will review|will decide|will read|"
        "human decides|pass it on|take sides|human solver will|solver will|a human will|"
        "a person will|by a human|by a person|solver decides$|helps the solver|let me|"
        "note that i|here to help|only gather|gathering information|want a person|write that"
    ),
    "es": (
        "gracias por|dice|dijo|dicen|afirma|indica|indico|menciono|escribe|escribio|explico|"
        "segun|entiendo|comprendo|tomado nota|lamento|no puedo|automatico|describa|indique|"
        "comparta|explique|aclare|avisenos|diganos|revise|compruebe|compare|incluya|adjunte|"
        "evite|nunca|no comparta|revisara|decide una persona|la orden era|tomo partido|"
        "toma una persona|tomara una persona|una persona decid|decidira una persona|"
        "una persona revis|lo decide una persona|decidira un humano|ayudo al solver|"
        "ayuda al solver|recopilo|solo reuno|quiere hablar con una persona|escribalo|"
        "solver decide$|decide el solver$"
    ),
    "pt": (
        "obrigado por|obrigada por|obrigado pela|obrigado pelo|diz|disse|dizem|afirma|indica|"
        "indicou|mencionou|escreve|escreveu|explicou|segundo|entendo|compreendo|tomei nota|"
        "lamento|nao posso|automatico|descreva|indique|partilhe|compartilhe|explique|"
        "esclareca|avise nos|diga nos|verifique|compare|inclua|anexe|evite|nunca|vai rever|"
        "vai analisar|decide e uma pessoa|a ordem era|tomo partido|toma uma pessoa|"
        "e uma pessoa que decide|quem decide|decidira uma pessoa|uma pessoa vai|"
        "uma pessoa ira|ajuda o solver|apenas recolho|fazer chegar|escreva o|solver decide$|"
        "decide o solver$|decide e o solver$"
    ),
    "fr": (
        "merci de|merci pour|merci d|dit|dites que|affirme|indique que|avez dit|mentionne|"
        "ecrit|ecrivez que|explique|selon|comprends|note|desole|ne peux pas|ne peux|"
        "automatique|decrivez|indiquez|partagez|expliquez|precisez|dites nous|verifiez|"
        "comparez|joignez|evitez|jamais|examinera|l ordre etait|prends pas parti|"
        "humain qui le fera|humain qui decide|est un humain|humain decidera|"
        "une personne examinera|une personne decidera|aide le solver|je ne fais que|"
        "dites le nous|faites le nous savoir|transmettrai|ecrivez le|solver decide$|"
        "solver qui decide$"
    ),
    "de": (
        "danke fur|vielen dank fur|danke dass|sagt|sagte|schreibt|schreiben dass|schrieb|"
        "erklart|erwahnt|laut|verstehe|notiert|leider|tut mir leid|kann hier nichts|"
        "kann nicht|kann ich nicht|automatischer|beschreiben|nennen sie|teilen sie|erklaren|"
        "sagen sie uns|prufen sie|vergleichen|vermeiden|niemals|wird den fall prufen|"
        "wird ein mensch prufen|das macht ein mensch|entscheidet ein mensch|"
        "der auftrag lautete|ergreife keine partei|macht ein mensch|tut ein mensch|"
        "entscheiden wird ein mensch|ein mensch wird|ein mensch entscheidet|entscheiden kann|"
        "hilft dem solver|sammle nur|lassen sie es uns wissen|sagen sie es uns|gebe sie an|"
        "schreiben sie es|solver entscheidet$"
    ),
    "it": (
        "grazie per|dice|detto|dicono|afferma|indica|menzionato|scrive|scritto|spiegato|"
        "secondo|capisco|comprendo|preso nota|spiacente|non posso|automatico|descriva|"
        "indichi|condivida|spieghi|chiarisca|ci dica|ci faccia sapere|controlli|confronti|"
        "alleghi|eviti|mai|esaminera|decide una persona|prende una persona|le prende|"
        "l ordine era|decidera una persona|una persona esaminera|una persona decide|"
        "e una persona|aiuta il solver|raccolgo solo|faccia sapere|fateci sapere|passero|"
        "lo scriva|solver decide$|decide il solver$"
    ),
}
"""Language to frames, parted by bars; ``$`` where the sentence must end."""
