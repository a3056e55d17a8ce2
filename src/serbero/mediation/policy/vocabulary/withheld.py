# ruff: noqa: E501 - a phrase is one line, however many alternatives it has
"""Secrets: what opens a wallet, an account or an identity, and asking for it.

What opens a wallet is not even mentioned by us, except to warn of giving it away; the rest may be
mentioned (a reference code is evidence), only not asked for.
"""

from typing import Final

UNSPEAKABLE: Final = {
    "any": (
        "six|6|seis|sechs|sei digit|digits|digitos|chiffres|ziffern|cifre|stellen",
        "six chiffres",
        "recovery|seed|backup sheet|card|paper|note",
        "nsec",
        "xprv|xpriv|zprv|yprv",
        "bip39|bip_39",
        "preimage|preimages|pre_image",
        "seed|seeds",
        "mnemonic|mnemonics",
        "macaroon|macaroons",
        "wallet.dat|wallet_dat",
        "ncryptsec",
    ),
    "en": (
        "words|phrase|backup|password|file|copy .. your|the|a|_ wallet|wallet_s",
        "wallet|wallet_s .. words|phrase|backup|password|file|key|keys",
        "code|codes .. texted|sms|text_message|your_phone|bank_sent|bank_gave|by_text|authenticator",
        "private|secret|signing|privat key|keys",
        "recovery|backup|secret|wallet phrase|phrases|words|key|keys|sentence",
        "twelve|12|24|twenty_four|dozen word|words",
        "remote access|desktop",
        "anydesk|teamviewer|rustdesk",
    ),
    "es": (
        "clave|claves|llave|llaves privada|privadas|secreta|secretas",
        "frase|frases|palabras de|_ recuperacion|semilla|respaldo|secretas|secreta",
        "semilla|semillas",
        "doce|12|24|veinticuatro palabras",
        "preimagen",
        "acceso remoto",
    ),
    "pt": (
        "chave|chaves privada|privadas|secreta|secretas",
        "frase|frases|palavras de|_ recuperacao|semente|backup|secretas|secreta",
        "semente|sementes",
        "doze|12|24|vinte_e_quatro palavras",
        "preimagem|pre_imagem",
        "acesso remoto",
    ),
    "fr": (
        "cle|cles|clef|clefs privee|privees|secrete|secretes",
        "phrase|phrases|mots de|_ recuperation|recouvrement|secrete|secrets|sauvegarde|restauration",
        "graine|graines",
        "douze|12|24|vingt_quatre mots",
        "preimage|pre_image",
        "acces distant",
        "prise_en_main a_distance",
    ),
    "de": (
        "privater|privaten|privates|private|geheimer|geheimen|geheime schlussel|schlussels",
        "privatschlussel|geheimschlussel|privatschlussels",
        "wiederherstellungsphrase|wiederherstellungsworter|wiederherstellungswortern|wiederherstellungsschlussel|sicherungsphrase|seedphrase|seed_phrase|seed_worter",
        "zwolf|12|24|vierundzwanzig worter|wortern",
        "fernzugriff",
    ),
    "it": (
        "chiave|chiavi privata|private|segreta|segrete",
        "frase|frasi|parole di|_ recupero|seme|ripristino|backup|segreta|segrete",
        "seme|semi",
        "dodici|12|24|ventiquattro parole",
        "preimmagine|pre_immagine",
        "accesso remoto",
        "controllo remoto",
    ),
}
"""Mentioned at all, these stop a text."""

_EN: Final = "password|passwords|passphrase|passcode|pin|pins|otp|2fa|cvv|cvc|login|logins|credentials|passport|selfie|invoice|invoices|username"
_ES: Final = "contrasena|contrasenas|clave|claves|pin|otp|2fa|cvv|credenciales|pasaporte|selfie|invoice|dni|usuario|login"
_PT: Final = "senha|senhas|palavra_passe|pin|otp|2fa|cvv|credenciais|passaporte|selfie|invoice|cpf|rg|login|utilizador|usuario"
_FR: Final = "mot_de_passe|mots_de_passe|pin|otp|2fa|cvv|identifiants|identifiant|passeport|selfie|invoice|login"
_DE: Final = "passwort|passworter|kennwort|pin|tan|otp|2fa|cvv|zugangsdaten|anmeldedaten|reisepass|ausweis|personalausweis|selfie|invoice|login|logindaten"
_IT: Final = "password|pin|otp|2fa|cvv|credenziali|passaporto|selfie|invoice|login"

ASKED_FOR: Final = {
    "en": (
        f"send|share|give|tell|provide|paste|type|enter|reveal|show|post|upload|confirm|submit|need|needs|require|requires|forward|disclose|verify|supply|email|dictate|what_is|what_s|whats|attach|generate|create .. {_EN} ^number|amount",
        "send|share|give|tell|provide|paste|type|enter|reveal|show|post|upload|confirm|submit|need|needs|require|forward|disclose|verify|what_is|what_s .. verification|sms|security|authentication|auth|one_time|2fa|otp|access|login|confirmation|unlock code|codes",
        "send|share|give|tell|provide|paste|show|post|upload|submit|need|needs|forward|photograph .. card number|details|id_card|identity_card|driving_licence|driver_s_license|government_id|id_document|bank_login",
        "lightning|bolt11|bolt_11|ln|new|fresh|payment|payout invoice|invoices",
        "log_in|login|sign_in|connect|scan|link|import|sync|authorize|install .. wallet|device|qr_code|qr|extension|apk|app ^photo|history|screenshot",
        "screen|your sharing|screen",
    ),
    "es": (
        f"envie|envia|enviar|envieme|enviame|mande|manda|mandeme|mandame|mandar|comparta|comparte|compartir|dame|deme|dime|digame|indique|indica|proporcione|proporciona|proporcionar|pegue|pega|escriba|escribe|ingrese|ingresa|introduzca|introduce|revele|revela|muestre|muestra|suba|sube|confirme|confirma|verifique|necesito|necesitamos|cual_es|adjunte|genere|cree|pase|pasame|paseme|facilite|facilita .. {_ES} ^de_referencia|de_operacion|de_rastreo",
        "envie|envia|enviar|envieme|enviame|mande|mandame|mandeme|comparta|comparte|dame|deme|dime|digame|indique|proporcione|ingrese|introduzca|confirme|muestre|necesito|necesitamos|cual_es|facilite|pase|pasame .. codigo de|_ verificacion|sms|seguridad|autenticacion|acceso|confirmacion|que_recibio|que_le_llego|que_te_llego",
        "envie|envia|mande|comparta|comparte|dame|deme|indique|proporcione|suba|muestre|necesito .. numero_de_tarjeta|tarjeta_de_credito|documento_de_identidad|foto_de_su_documento|cedula|factura_lightning|factura_ln|nueva_factura",
        "factura|facturas lightning|ln|de_lightning",
        "escanee|escanea|conecte|conecta|vincule|vincula|importe|importa|instale|instala .. cartera|billetera|monedero|qr|codigo_qr|aplicacion|app|wallet",
    ),
    "pt": (
        f"envie|envia|enviar|envie_me|mande|manda|mandar|mande_me|partilhe|partilha|compartilhe|compartilha|de|diga|diga_me|informe|informa|informar|forneca|fornece|cole|digite|insira|introduza|revele|mostre|confirme|verifique|preciso|precisamos|qual_e|anexe|gere|crie|passe|passa|me_passe|me_envie|me_diga|indique .. {_PT} ^de_referencia",
        "envie|envia|enviar|mande|manda|partilhe|compartilhe|diga|informe|forneca|digite|insira|introduza|confirme|mostre|preciso|precisamos|qual_e|passe|me_passe .. codigo de|_ verificacao|sms|seguranca|autenticacao|acesso|confirmacao|que_recebeu|que_chegou",
        "envie|mande|partilhe|compartilhe|informe|forneca|mostre|preciso .. numero_do_cartao|cartao_de_credito|documento_de_identidade|foto_do_seu_documento|fatura_lightning|fatura_ln|nova_fatura",
        "fatura|faturas lightning|ln|da_lightning",
        "escaneie|digitalize|leia|conecte|ligue|importe|instale .. carteira|qr|codigo_qr|aplicativo|aplicacao|app|wallet",
    ),
    "fr": (
        f"envoyez|envoie|envoyer|envoyez_moi|partagez|partage|partager|donnez|donne|donner|dites|dis|dites_moi|fournissez|fournis|fournir|collez|colle|tapez|saisissez|entrez|entre|revelez|montrez|montre|confirmez|verifiez|communiquez|communique|communiquer|transmettez|transmets|j_ai_besoin|il_me_faut|quel_est|quels_sont|joignez|generez|creez|indiquez|indique .. {_FR} ^de_reference",
        "envoyez|envoie|envoyer|partagez|donnez|donne|dites|fournissez|saisissez|entrez|confirmez|montrez|communiquez|communique|transmettez|j_ai_besoin|il_me_faut|quel_est|indiquez .. code de|_ verification|sms|securite|authentification|acces|confirmation|recu_par_sms|pin|secret",
        "envoyez|envoie|partagez|donnez|fournissez|montrez|communiquez|j_ai_besoin .. numero_de_carte|carte_bancaire|carte_d_identite|piece_d_identite|facture_lightning|facture_ln|nouvelle_facture",
        "facture|factures lightning|ln",
        "scannez|scanne|connectez|connecte|importez|installez|installe|flashez .. portefeuille|qr|code_qr|application|appli|wallet",
    ),
    "de": (
        f"senden|sende|schicken|schick|schicke|teilen|teile|geben|gib|nennen|nenne|sagen|sag|verraten|einfugen|tippen|eingeben|zeigen|zeig|bestatigen|verifizieren|brauche|brauchen|benotige|benotigen|wie_lautet|was_ist|erstellen|erstelle|ubermitteln|mitteilen|hochladen .. {_DE} ^nummer_der_uberweisung",
        f"{_DE} .. senden|schicken|teilen|nennen|verraten|eingeben|mitteilen|ubermitteln|bestatigen|anzugeben|angeben|ein|mit|hochladen",
        "senden|sende|schicken|schick|geben|gib|nennen|nenne|sagen|bestatigen|brauche|benotigen|benotige|wie_lautet|zeigen|mitteilen .. bestatigungscode|sms_code|sicherheitscode|zugangscode|verifizierungscode|kreditkartennummer|kartennummer|lightning_rechnung|neue_rechnung|authentifizierungscode|tan",
        "bestatigungscode|sms_code|sicherheitscode|zugangscode|verifizierungscode|kreditkartennummer|kartennummer|authentifizierungscode .. senden|schicken|nennen|mitteilen|eingeben|ein|mit|angeben",
        "senden|schicken|nennen|nenne|sagen|geben|gib|mitteilen .. code|codes .. sms|bekommen|erhalten|erhielten",
        "lightning rechnung|rechnungen",
        "scannen|verbinden|verknupfen|importieren|installieren .. wallet|geldborse|qr|qr_code|app|erweiterung",
    ),
    "it": (
        f"invii|invia|inviare|inviami|mandi|manda|mandare|mandami|condivida|condividi|condividere|dia|dammi|mi_dia|dica|dimmi|mi_dica|fornisca|fornisci|fornire|incolli|incolla|digiti|digita|inserisca|inserisci|riveli|mostri|mostra|confermi|verifichi|comunichi|comunica|comunicare|ho_bisogno|mi_serve|ci_serve|qual_e|quali_sono|alleghi|generi|crei|indichi|indica .. {_IT} ^di_riferimento",
        "invii|invia|inviare|inviami|mandi|manda|mandami|condivida|dia|dammi|dica|dimmi|fornisca|inserisca|confermi|comunichi|comunica|ho_bisogno|mi_serve|qual_e|indichi|mostri .. codice di|_ verifica|sms|sicurezza|autenticazione|accesso|conferma|ricevuto_via_sms|segreto",
        "invii|invia|mandi|condivida|dia|fornisca|mostri|mi_serve .. numero_di_carta|numero_della_carta|carta_di_credito|carta_d_identita|documento_d_identita|fattura_lightning|fattura_ln|nuova_fattura",
        "fattura|fatture lightning|ln",
        "scansioni|scansiona|colleghi|collega|connetta|connetti|importi|importa|installi|installa .. portafoglio|qr|codice_qr|app|applicazione|wallet",
    ),
}
"""Asked for, these stop a text."""

WARNINGS: Final = {
    "en": (
        "never|do_not|don_t|dont ever|_ share|send|post|reveal|paste|give|disclose|type|include",
    ),
    "es": (
        "no|nunca|jamas comparta|comparta_nunca|comparta_jamas|compartas|envie|envies|revele|reveles|publique|de|des|incluya|incluyas|facilite",
    ),
    "pt": ("nao|nunca|jamais partilhe|compartilhe|envie|revele|publique|forneca|inclua|mande",),
    "fr": (
        "ne partagez|envoyez|revelez|publiez|communiquez|donnez|transmettez|partage|envoie|donne|communique jamais|pas",
    ),
    "de": (
        "senden|teilen|geben|schicken|verraten|nennen|veroffentlichen sie niemals|nie|bitte_niemals|keine|bitte_keine|auf_keinen_fall",
        "teile|sende|gib|schicke|verrate|nenne niemals|nie|bitte_niemals|keine",
    ),
    "it": (
        "non|mai condivida|condividi|condividere|invii|invia|inviare|riveli|rivelare|mandi|mandare|fornisca|fornire|pubblichi mai|_",
    ),
}
"""A sentence that begins with one of these warns, unless an exception follows."""

EXCEPTIONS: Final = """
but except unless until other only besides here me us then apart instead forget hesitate later
yet before without salvo excepto menos pero sino solo aqui hasta conmigo mi nosotros antes sin
exceto mas apenas somente comigo conosco ate mim nos sem senao sauf excepte mais uniquement qu
que moi nous ici avant sans hormis ausser aber sondern nur mir uns hier bis bevor ohne erst
tranne eccetto ma soltanto noi qui fino prima senza fuorche
"""
"""With one of these words in it, a warning is none."""

POLITE: Final = "please kindly por favor merci de veuillez bitte per favore remember si prega"
"""Words that may stand in front of a warning."""
