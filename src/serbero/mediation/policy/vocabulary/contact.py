# ruff: noqa: E501 - a phrase is one line, however many alternatives it has
"""Being asked away from the dispute's chat: to other programs, numbers, addresses, places."""

from typing import Final

_APPS: Final = "telegram|whatsapp|whats_app|wa|signal|discord|messenger|facebook|instagram|twitter|wechat|viber|skype|zoom|matrix|simplex|session|threema|line|snapchat|tiktok|linkedin|sms|email|e_mail|mail|gmail|correo|phone|telefono|telefone|telephone|telefon|keet|nostr|reddit|slack|element|imessage|proton|protonmail"

INVITATIONS: Final = {
    "en": (
        f"me|us .. on|via|through|over|by|in {_APPS}",
        f"!contact|write|message|text|dm|add|reach|call|find|join|email|ping|chat|talk|move|continue|switch|speak|meet|open|use|install|follow|hit_me_up .. {_APPS}",
        f"contact|write|message|text|dm|add|reach|reach_out|call|find|email|ping|talk|speak|chat|send me|us|to_me|to_us|with_me|with_us|him_directly|her_directly .. on|via|at|through|over|by|in|using {_APPS}",
        "contact|call|phone|text|dm|email|ring|whatsapp|telegram me|us|this_number|this_address|our_support|my_colleague|support",
        f"my|our {_APPS} is|id|handle|number|username|account|address|group|channel|bot",
        "private|another|separate|external|different|secure chat|channel|group|app|room ^messages",
        "outside|off of_mostro|mostro|of_this_chat|this_chat|the_chat|platform|this_platform ^did|have",
        "customer|technical|mostro|official support|helpdesk|help_desk line|team|desk|number|agent|center|centre|chat|channel|bot|hotline",
        f"let_s|lets|let_us|we_can|we_should .. on|via|to|over|by {_APPS}",
        "your phone_number|email_address|telegram|whatsapp|mobile_number|home_address|full_name",
        "meet in_person|me_at|us_at|at",
    ),
    "es": (
        f"!contacte|contacta|escriba|escribe|escribanos|agregue|agrega|llame|llama|unase|unete|hable|habla|continue|continua|siga|sigamos|continuemos|hablemos|pase|use|usa|busque|busca|contactar|escribir .. {_APPS}",
        "escribame|escribeme|contacteme|contactame|contactenos|llameme|llamame|llamenos|agregueme|agregame|hableme|hablame|buscame|busqueme|escribanos|mandeme_un|mandame_un",
        f"mi|nuestro|nuestra {_APPS} es|numero|usuario|cuenta|grupo|canal",
        "chat|canal|grupo privado|externo|aparte|de_telegram|de_whatsapp",
        "fuera de_mostro|del_chat|de_este_chat|de_la_plataforma|de_aqui",
        "soporte|servicio tecnico|oficial|de_mostro|al_cliente",
        f"por|via|en {_APPS} con_nosotros|conmigo|al_numero",
        "su|tu numero_de_telefono|telefono|correo|correo_electronico|whatsapp|telegram|direccion|nombre_completo",
    ),
    "pt": (
        f"!contacte|contate|contacta|entre|escreva|escreve|adicione|adiciona|ligue|liga|junte_se|fale|fala|continue|continua|continuemos|vamos|use|procure|chame|chama|falar|escrever .. {_APPS}",
        "escreva_me|contacte_me|contate_me|ligue_me|me_ligue|me_contate|me_chame|me_chama|chame_me|me_adicione|adicione_me|fale_comigo|fala_comigo|contacte_nos|ligue_para|entre_em_contato_comigo|entre_em_contacto_comigo|me_escreva",
        f"meu|nosso|minha|nossa {_APPS} e|numero|usuario|conta|grupo|canal",
        "chat|canal|grupo|conversa privado|privada|externo|a_parte|do_telegram|do_whatsapp",
        "fora do_mostro|do_chat|deste_chat|da_plataforma|daqui",
        "suporte|servico tecnico|oficial|do_mostro|ao_cliente",
        "seu|teu|o_seu numero_de_telefone|telefone|email|e_mail|whatsapp|telegram|endereco|nome_completo|telemovel|celular",
    ),
    "fr": (
        f"!contactez|contacte|ecrivez|ecris|ajoutez|ajoute|appelez|appelle|rejoignez|rejoins|parlez|continuez|continuons|passons|passez|utilisez|discutons|parlons|cherchez|contacter|ecrire .. {_APPS}",
        "ecrivez_moi|ecris_moi|contactez_moi|contacte_moi|appelez_moi|appelle_moi|ajoutez_moi|ajoute_moi|rejoignez_moi|joignez_moi|parlez_moi_sur|contactez_nous|ecrivez_nous|appelez_nous|contactez_le_support|appelez_le",
        f"mon|notre {_APPS} est|numero|identifiant|compte|groupe|canal",
        "chat|canal|groupe|discussion|conversation|salon prive|privee|externe|a_part|telegram|whatsapp|separe|separee",
        "en_dehors|hors de_mostro|du_chat|de_ce_chat|de_la_plateforme|d_ici",
        "support|service|assistance technique|officiel|de_mostro|mostro|client",
        "votre|ton numero_de_telephone|telephone|email|e_mail|adresse_mail|adresse|whatsapp|telegram|nom_complet|adresse_e_mail|adresse_email",
    ),
    "de": (
        f"!kontaktieren|kontaktiere|schreiben|schreib|schreibe|melden|melde|rufen|ruf|kommen|komm|fugen|wechseln|reden|sprechen|nutzen|verwenden|treten|lassen|setzen .. {_APPS}",
        "schreiben_sie_mir|schreib_mir|kontaktieren_sie_mich|kontaktiere_mich|kontaktieren_sie_uns|rufen_sie_mich|rufen_sie_uns|ruf_mich|ruf_an|rufen_sie|fugen_sie_mich|melden_sie_sich_bei_mir|melden_sie_sich_unter|schreiben_sie_uns|rufen_sie_bitte",
        f"mein|unser|meine|unsere {_APPS} ist|lautet|nummer|gruppe|kanal",
        "privater|privaten|anderen|separaten|externen|private chat|kanal|gruppe|raum",
        "ausserhalb von_mostro|des_chats|dieses_chats|der_plattform",
        "technischer|technischen|offizieller|offiziellen|mostro support|kundendienst|kundenservice|hotline",
        "ihre|deine|ihren telefonnummer|handynummer|e_mail_adresse|email_adresse|mailadresse|anschrift|adresse|telegram|whatsapp|vollstandigen_namen|handy",
        "kundendienst|kundenservice|hotline",
    ),
    "it": (
        f"!contatti|contatta|contattate|scriva|scrivi|aggiunga|aggiungi|chiami|chiama|si_unisca|unisciti|parli|parla|continui|continuiamo|passiamo|parliamo|usi|usa|cerchi|contattare|scrivere .. {_APPS}",
        "mi_scriva|scrivimi|mi_contatti|contattami|ci_contatti|contattaci|mi_chiami|chiamami|ci_chiami|mi_aggiunga|aggiungimi|mi_cerchi|chiamaci|contatti_il_supporto|chiami_il",
        f"mio|nostro|mia|nostra {_APPS} e|numero|utente|gruppo|canale|account",
        "chat|canale|gruppo|conversazione privato|privata|esterno|esterna|a_parte|telegram|whatsapp|separata",
        "fuori da_mostro|dalla_chat|da_questa_chat|dalla_piattaforma|da_qui",
        "supporto|servizio|assistenza tecnico|tecnica|ufficiale|di_mostro|mostro|clienti",
        "suo|tuo|sua|tua numero_di_telefono|telefono|email|e_mail|indirizzo|indirizzo_email|whatsapp|telegram|nome_completo|cellulare",
    ),
}

CALLING: Final = """
call phone ring dial tel mobile number sms text whatsapp signal telegram hotline llame llama
llamar marque telefono movil celular numero ligue liga ligar telefone telemovel appelez
appelle telephone portable rufen ruf anrufen telefon handy nummer chiami chiama chiamare
cellulare
"""
"""Beside one of these words a long number is taken for a telephone's."""

DIGIT_WORDS: Final = """
zero oh one two three four five six seven eight nine cero uno dos tres cuatro cinco seis siete
ocho nueve um dois quatro sete oito nove meia un deux trois quatre cinq sept huit neuf null
eins zwei zwo drei vier funf sechs sieben acht neun due tre quattro cinque sei sette otto plus
mas mais piu double doble doppel
"""
"""Seven of these in a row spell a number."""
