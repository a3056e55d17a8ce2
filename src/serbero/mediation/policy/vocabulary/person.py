# ruff: noqa: E501 - a phrase is one line, however many alternatives it has
"""How people ask for a person, in six languages.

A false alarm ends a mediation that went well, so what merely mentions people does not count: there
must be a wish, a request, or a refusal to talk to a machine.
"""

from typing import Final

_EN: Final = "human|humans|person|moderator|mediator|solver|admin|administrator|arbitrator|agent|operator|someone_real|somebody_real|human_being|support_person"
_ES: Final = "humano|humana|persona|moderador|moderadora|mediador|mediadora|solver|administrador|admin|arbitro|agente|operador|ser_humano"
_PT: Final = "humano|humana|pessoa|moderador|moderadora|mediador|mediadora|solver|administrador|admin|arbitro|agente|operador|atendente|ser_humano"
_FR: Final = "humain|humaine|personne|moderateur|moderatrice|mediateur|mediatrice|solver|administrateur|admin|arbitre|agent|operateur|conseiller|etre_humain"
_DE: Final = "mensch|menschen|person|moderator|mediator|vermittler|solver|administrator|admin|schlichter|mitarbeiter|schiedsrichter"
_IT: Final = "umano|umana|persona|moderatore|moderatrice|mediatore|mediatrice|solver|amministratore|admin|arbitro|operatore|essere_umano|agente"

WISHES: Final = {
    "en": (
        f"i_want|i_need|i_demand|i_request|give_me|get_me a|an|the|_ real|_ {_EN} ^who|from_the|at_the",
        f"want|wanna|need|request|demand|prefer|require|would_like|d_like|like|insist_on|asking|ask|expect a|an|the|some|to|for|that|_ speak|talk|chat|write|deal|have|see|get|communicate|with|a|_ to|with|a|an|for|_ the|a|an|_ real|actual|live|living|human|_ {_EN} ^'s|at_the|from_the|who_sold|i_paid",
        f"speak|talk|chat|connect|transfer|forward|escalate|pass|hand|put|get|bring|call|involve|send|give me|us|this|it|in|_ on|through|over|to|with|in|for|_ to|_ a|an|the|some|_ real|actual|live|living|human|_ {_EN} ^said|bank|from_the|at_the",
        "can|could|may|is_there|isn_t_there i|we|you|there|a|any|anyone|someone|_ .. human|real_person|live_person|moderator|human_being|actual_person ^decides|error",
        "a|real|actual|live human|person please|now|here|instead",
        "human please|now|help|support|agent|assistance|moderator|solver|intervention|review",
        "real|live|actual human|person please|now|here|instead",
        "not|don_t|do_not|won_t|will_not|refuse|stop|no .. talk|talking|speak|speaking|deal|dealing|chat|chatting|answer|answering with|to|_ a|an|this|the|your|_ bot|robot|machine|ai|computer|program|software|chatbot",
        "i_hate|no_more|enough_of|tired_of|sick_of|no|stop_this talking_to|_ this|these|the|_ bot|bots|robot|robots|chatbot|machines",
        "let a|the|_ human|person|moderator|solver|admin decide|look|handle|review|check|take",
        "where_is|where_are|is_there the|a|any|_ human|solver|moderator|real_person|admin|mediator",
    ),
    "es": (
        f"quiero|quisiera|necesito|exijo|pido|solicito|prefiero|deseo|me_gustaria|queria|pedir|exigir a|que|con|_ hablar|tratar|chatear|contactar|comunicarme|me_atienda|atienda|intervenga|revise|venga|ver|_ con|a|_ un|una|el|la|algun|alguna|otra|_ {_ES} ^que_vendio|de_la_tienda|a_la_que|del_banco",
        f"hablar|comunicarme|contactar|paseme|pasame|paseme_con|paseme_a|pongame|ponme|pasenme|pasarme|conecteme|transfierame|llame|llamen|derivame|derivar con|a|_ un|una|el|la|algun|alguna|_ {_ES} ^del_banco|que_vendio",
        "persona|humano|humana de_verdad|real|por_favor|de_carne_y_hueso",
        "ser humano por_favor|real|_",
        "no quiero|voy_a|deseo|pienso hablar|seguir|tratar|responder|chatear con|a|hablando_con un|una|el|la|este|esta|_ bot|robot|maquina|ia|programa|inteligencia_artificial",
        "hay|puede|pueden algun|alguna|un|una|atenderme|ayudarme|intervenir .. humano|humana|persona_real|moderador|moderadora",
        "que me atienda|ayude|lo_revise|revise|intervenga|decida una|un|alguna|_ persona|humano|moderador|solver|alguien_real",
        "atencion|intervencion|ayuda|revision humana",
        "basta|harto|harta de|con bot|bots|robots|maquinas|este_bot",
        "un|una humano|moderador|moderadora por_favor|ya",
    ),
    "pt": (
        f"quero|queria|gostaria|preciso|exijo|peco|solicito|prefiro|desejo|pedir de|a|que|_ falar|conversar|tratar|contatar|contactar|ser_atendido|ser_atendida|atendimento|intervencao|ver|_ com|por|de|_ um|uma|o|a|algum|alguma|outra|_ {_PT} ^do_banco|que_vendeu",
        f"falar|conversar|passe|passe_me|me_passe|me_passa|transfira|transfira_me|me_transfira|chame|chamem|conecte|encaminhe com|para|a|_ um|uma|o|a|algum|alguma|_ {_PT} ^do_banco|que_vendeu",
        "pessoa|humano de_verdade|real|por_favor|de_carne_e_osso",
        "ser humano por_favor|real|_",
        "nao quero|vou|desejo|pretendo falar|continuar|conversar|tratar|responder com|a|falando_com um|uma|o|a|este|esse|esta|_ bot|robo|robot|maquina|ia|programa|inteligencia_artificial",
        "ha|tem|existe|pode|podem algum|alguma|um|uma|me_atender|me_ajudar|intervir .. humano|humana|pessoa_real|pessoa_de_verdade|moderador",
        "atendimento|atencao|intervencao|ajuda|revisao humano|humana",
        "chega|cansado|cansada|farto|farta de|do|desse|deste|com bot|bots|robos|robo|maquinas",
        "um|uma humano|moderador|moderadora por_favor|ja",
    ),
    "fr": (
        f"je_veux|veux|voudrais|souhaite|exige|demande|prefere|j_ai_besoin|besoin|aimerais|j_aimerais|demander a|d|de|que|qu|_ parler|discuter|echanger|voir|avoir|contacter|etre_mis_en_relation|_ a|avec|d|l_intervention_d|_ un|une|le|la|l|quelqu_un_de|vraie|vrai|_ vrai|vraie|veritable|_ {_FR} ^de_la_banque|qui_a|n",
        f"parler|passez_moi|passe_moi|mettez_moi|transferez_moi|appelez|appeler|contacter|joindre|connectez_moi a|avec|en_relation_avec|vers|_ un|une|le|la|l|_ vrai|vraie|veritable|_ {_FR} ^de_la_banque",
        "vraie|vrai|veritable personne|humain|humaine|moderateur|interlocuteur",
        "etre humain s_il|svp|reel|_",
        "ne_veux|refuse|veux|voudrais|vais pas|plus|de|_ de|parler|discuter|continuer|repondre|traiter|_ parler|a|avec|_ a|avec|_ un|une|ce|cette|le|la|_ bot|robot|machine|ia|programme|chatbot|intelligence_artificielle",
        "y_a_t_il|est_ce_qu_il_y_a|existe_t_il|puis_je|peut_on|pouvez_vous .. humain|humaine|vraie_personne|moderateur|mediateur",
        "intervention|aide|assistance|verification humaine",
        "marre|assez|ras_le_bol des|de|du|d_un|de_ce|de_parler_a bot|bots|robots|robot|machines|une_machine|un_robot",
        "un|une humain|moderateur|mediateur s_il|svp|vite|maintenant",
        "qu un|une humain|personne|moderateur|mediateur intervienne|regarde|decide|s_en_occupe|prenne",
    ),
    "de": (
        f"ich_will|ich_mochte|mochte|will|wunsche|verlange|brauche|fordere|bevorzuge|wurde_gern|wurde_gerne|hatte_gern|hatte_gerne|bitte_um jetzt|bitte|gern|gerne|lieber|nur|endlich|_ mit|einen|eine|_ mit|_ einem|einer|einen|eine|den|dem|der|_ echten|echter|richtigen|richtiger|realen|menschlichen|wirklichen|anderen|_ {_DE} ^von_der_bank|der_bank",
        f"mit einem|einer|dem|der|_ echten|richtigen|realen|menschlichen|wirklichen|_ {_DE} .. sprechen|reden|schreiben|chatten|verbinden|verbunden",
        f"verbinden|verbinde|holen|rufen|leiten|geben|hol|ruf|gib sie|du|mich|mir|das|_ mich|mir|es|bitte|_ bitte|mit|an|_ einen|einem|einer|eine|den|dem|_ echten|richtigen|menschlichen|_ {_DE}",
        "echter|echten|richtiger|richtigen|realer|realen|lebender mensch|menschen|person|ansprechpartner",
        "mensch bitte",
        "menschliche|menschlichen hilfe|unterstutzung|betreuung|prufung|uberprufung|bearbeitung|ansprechpartner",
        "nicht|keinem|keiner|kein|keine|nie .. bot|roboter|maschine|ki|computer|programm|chatbot .. reden|sprechen|schreiben|antworten|unterhalten|lust",
        "rede|spreche|schreibe|antworte nicht|nie mit|_ einem|einer|diesem|_ bot|roboter|maschine|ki|chatbot|computer",
        "keine_lust|satt|genug .. bot|bots|roboter|robotern|maschine|maschinen|chatbot",
        "gibt_es|kann|konnte|ist hier|da|bitte|ein|einen|eine|mal|_ .. mensch|menschen|echte_person|moderator|mitarbeiter .. helfen|ansehen|sprechen|anschauen|ubernehmen|prufen|kummern|erreichbar",
    ),
    "it": (
        f"voglio|vorrei|ho_bisogno|esigo|chiedo|pretendo|preferisco|desidero|richiedo|mi_serve|chiedere di|a|che|_ parlare|discutere|trattare|contattare|comunicare|vedere|avere|intervenga|l_intervento_di|_ con|a|di|_ un|una|il|la|l|qualche|_ vera|vero|_ {_IT} ^della_banca|che_ha_venduto|che",
        f"parlare|mi_passi|passami|mi_metta|mettimi|mi_trasferisca|chiami|chiamate|contattare|mi_colleghi|passatemi con|in_contatto_con|a|_ un|una|il|la|l|_ vera|vero|_ {_IT} ^della_banca",
        "persona|umano|operatore vera|vero|reale|in_carne_e_ossa|per_favore|umano",
        "vera persona",
        "essere umano per_favore|reale|_",
        "non voglio|intendo|ho_intenzione_di parlare|continuare|discutere|trattare|rispondere a_parlare|_ con|a|_ un|una|il|la|questo|questa|_ bot|robot|macchina|ia|programma|intelligenza_artificiale",
        "c_e|ci_sono|posso|puo|potrebbe .. umano|umana|persona_vera|persona_reale|moderatore|mediatore ^che_ha",
        "assistenza|intervento|aiuto|revisione|verifica umana|umano",
        "basta|stufo|stufa|stanco con|di|_ parlare_con|questi|questo|i|il|_ bot|robot|macchine",
        "un|una umano|moderatore|mediatore per_favore|subito",
    ),
}
