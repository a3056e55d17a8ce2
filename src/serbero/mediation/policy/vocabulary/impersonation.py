# ruff: noqa: E501 - a phrase is one line, however many alternatives it has
"""Claims to be somebody: a human, a judge, the solver, Mostro, support, the other party."""

from typing import Final

_EN_ROLES: Final = "human|person|man|woman|people|judge|arbitrator|arbiter|mediator|solver|admin|administrator|moderator|operator|mostro|support|agent|employee|lawyer|attorney|officer|police|bank|buyer|seller|counterparty|staff|team|developer|owner|official|representative|supervisor|manager|authority"
_ES_ROLES: Final = "humano|humana|persona|juez|jueza|arbitro|mediador|mediadora|solver|admin|administrador|administradora|moderador|operador|mostro|soporte|agente|empleado|abogado|policia|banco|comprador|compradora|vendedor|vendedora|equipo|personal|encargado|responsable|representante|supervisor"
_PT_ROLES: Final = "humano|humana|pessoa|juiz|juiza|arbitro|mediador|mediadora|solver|admin|administrador|administradora|moderador|operador|mostro|suporte|agente|funcionario|advogado|policia|banco|comprador|compradora|vendedor|vendedora|equipe|equipa|responsavel|representante|supervisor"
_FR_ROLES: Final = "humain|humaine|personne|juge|arbitre|mediateur|mediatrice|solver|admin|administrateur|administratrice|moderateur|operateur|mostro|support|agent|employe|avocat|policier|police|banque|acheteur|acheteuse|vendeur|vendeuse|equipe|responsable|representant|conseiller|superviseur"
_DE_ROLES: Final = "mensch|person|richter|richterin|schiedsrichter|schiedsrichterin|schlichter|mediator|vermittler|solver|admin|administrator|moderator|betreiber|mostro|support|mitarbeiter|mitarbeiterin|anwalt|polizei|polizist|bank|kaufer|verkaufer|kauferin|verkauferin|team|verantwortliche|leiter|vertreter|entwickler"
_IT_ROLES: Final = "umano|umana|persona|giudice|arbitro|mediatore|mediatrice|solver|admin|amministratore|amministratrice|moderatore|operatore|mostro|supporto|assistenza|agente|impiegato|avvocato|polizia|banca|acquirente|compratore|venditore|venditrice|squadra|team|responsabile|rappresentante|supervisore"

PHRASES: Final = {
    "en": (
        "i_am|i_m|we_are|we_re|this_is|it_s|it_is|here_is|here|my_name_is|speaking .. arbitrator|arbiter|judge|mostro|admin|administrator|moderator|support|lawyer|attorney|police|officer|staff|team|boss|supervisor ^trade|trades|dispute|disputes|order|orders|app|node|and_what|chat",
        "you_are|you_re|are_you talking|speaking|chatting|writing to|with a|an|the|_ real|actual|live|human|_ person|human|man|woman",
        "my|our boss|bosses|supervisor|manager|team|colleague|colleagues|superior|superiors",
        "solver|admin|administrator|moderator|judge|mostro|mostro_team told|said|says|asked|wants|ordered|approved|agreed|decided|confirmed|requested|insists|tells",
        f"i_am|i_m|we_are|we_re|this_is|it_is|here_is|my_name_is|speaking_as|acting_as|as a|an|the|your|mostro_s|from|now|actually|really|only|_ real|human|assigned|official|senior|head|chief|certified|living|live|flesh_and_blood|dispute|mostro|legal|customer|technical|_ {_EN_ROLES} ^said|says|stated|claims|reported|told|confirmed|wrote|mentioned|explained|described|answered|decides|reviews|has|who|you|will|and_the|did|was",
        "i_am|i_m|this_is|writing|speaking|message|contacting_you on_behalf_of|for|from the|_ mostro|solver|admin|administrator|support|buyer|seller|court|team|police|bank",
        "on_behalf_of the|_ mostro|solver|admin|administrator|court|police|bank",
        "not|no a|an|_ bot|robot|machine|ai|automated|computer ^decision|system",
        "mostro|official|admin|system|node|court announcement|announces|notice|notification|orders|decided|decides|confirms|requires|instructs",
        "as_the|as_your|in_my_capacity_as solver|judge|arbitrator|admin|administrator|mediator|mostro|arbiter",
        "my name is",
        "solver|admin|administrator|mostro|moderator|operator has|have decided|ruled|approved|authorized|authorised|confirmed|instructed|asked_me|ordered|agreed",
        "i|me personally|myself decide|decided|reviewed|checked_the_escrow|hold|control",
        "buyer|seller|counterparty here|speaking|again",
    ),
    "es": (
        "soy|somos|le_habla|le_escribe|aqui|me_llamo|habla .. arbitro|juez|jueza|mostro|admin|administrador|moderador|soporte|abogado|policia|equipo|supervisor ^intercambio|disputa|orden|app",
        "esta|estas hablando|chateando con una|un|_ persona|humano|agente",
        "mi|mis|nuestro jefe|jefes|supervisor|equipo|colega|colegas",
        "solver|administrador|moderador|juez|mostro|equipo_de_mostro me|le|nos|_ dijo|dice|pidio|quiere_que|ordeno|aprobo|acordo|decidio|confirmo|ordena|pide",
        f"soy|somos|le_habla|te_habla|le_escribe|te_escribe|aqui|habla|en_calidad_de|actuo_como|como un|una|el|la|su|tu|del|de|realmente|parte_de|parte_del|_ verdadero|asignado|oficial|equipo_de|real|_ {_ES_ROLES} ^dijo|dice|afirma|indica|explica|confirma|humana_decide|humano_decide|que|ha|le|usted|debe|puede",
        "en_nombre_de|de_parte_de|en_nombre|por_encargo_de el|la|del|_ mostro|solver|administrador|soporte|comprador|vendedor|tribunal|equipo",
        "no soy|es|hablas_con|habla_con un|una|_ bot|robot|maquina|ia|programa",
        "mostro|administrador|solver|moderador|sistema ha decidido|ordenado|aprobado|autorizado|confirmado|resuelto|ordena|informa|comunica|anuncia",
        "aviso|comunicado|mensaje oficial|de_mostro|del_sistema|del_administrador",
        "me llamo",
        "mi nombre es",
    ),
    "pt": (
        "sou|somos|aqui|chamo_me|me_chamo|fala .. arbitro|juiz|juiza|mostro|admin|administrador|moderador|suporte|advogado|policia|equipe|equipa|supervisor ^troca|disputa|ordem|app",
        "esta|estas falando|conversando|a_falar com uma|um|_ pessoa|humano|agente",
        "meu|meus|nosso chefe|chefes|supervisor|equipe|colega|colegas",
        "solver|administrador|moderador|juiz|mostro me|lhe|nos|_ disse|diz|pediu|quer_que|ordenou|aprovou|decidiu|confirmou|ordena|pede",
        f"sou|somos|quem_fala_e|fala|aqui_e|aqui_fala|aqui|na_qualidade_de|atuo_como|como um|uma|o|a|seu|sua|do|da|realmente|parte_do|parte_da|_ verdadeiro|designado|oficial|real|_ {_PT_ROLES} ^disse|diz|afirma|indica|explica|confirma|que|vai|humana_decide|voce|deve|pode",
        "em_nome_do|em_nome_da|em_nome_de|da_parte_de|da_parte_do mostro|solver|administrador|suporte|comprador|vendedor|tribunal|equipe",
        "nao sou|e um|uma|_ bot|robo|robot|maquina|ia|programa",
        "mostro|administrador|solver|moderador|sistema decidiu|ordenou|aprovou|autorizou|confirmou|resolveu|ordena|informa|comunica|anuncia",
        "aviso|comunicado|mensagem oficial|do_mostro|do_sistema|do_administrador",
        "me chamo",
        "chamo me",
        "meu nome e",
    ),
    "fr": (
        "je_suis|nous_sommes|c_est|ici|je_m_appelle .. arbitre|juge|mostro|admin|administrateur|moderateur|support|avocat|police|policier|equipe|superviseur ^echange|litige|ordre|application",
        "vous|tu parlez|parles|discutez a|avec un|une|_ vrai|vraie|_ personne|humain|humaine|agent",
        "mon|mes|notre chef|chefs|superviseur|superieur|equipe|collegue|collegues",
        "solver|administrateur|moderateur|juge|mostro m_a|vous|nous|a|_ dit|demande|veut|ordonne|approuve|confirme|exige",
        f"je_suis|nous_sommes|c_est|ici|ici_c_est|en_tant_que|en_qualite_de|j_agis_comme un|une|le|la|l|votre|ton|du|de|vraiment|bien|_ vrai|vraie|veritable|officiel|designe|support|_ {_FR_ROLES} ^a_dit|dit|affirme|indique|explique|confirme|qui|humaine_qui|que|a|humaine_decide",
        "au_nom_du|au_nom_de|de_la_part_du|de_la_part_de|pour_le_compte_de mostro|solver|l_administrateur|support|l_acheteur|vendeur|tribunal|l_equipe|la_banque",
        "pas|ne_suis_pas un|une robot|bot|machine|ia|programme|automate",
        "mostro|administrateur|solver|moderateur|systeme a decide|tranche",
        "mostro|administrateur|solver|moderateur|systeme a|_ ordonne|approuve|autorise|confirme|tranche|informe|annonce|exige",
        "avis|communique|message officiel|de_mostro|du_systeme|de_l_administrateur",
        "je m_appelle",
        "mon nom est",
    ),
    "de": (
        "ich_bin|wir_sind|hier|hier_ist|mein_name_ist .. schiedsrichter|richter|richterin|mostro|admin|administrator|moderator|support|anwalt|polizei|team|vorgesetzter ^handel|streit|streitfall|auftrag|app",
        "sie|du sprechen|sprichst|reden|chatten|schreiben mit einem|einer echten|richtigen|realen|menschlichen|_ person|menschen|mitarbeiter",
        "mein|meine|unser|unsere chef|chefs|vorgesetzter|vorgesetzten|team|kollege|kollegen",
        "solver|administrator|moderator|richter|mostro hat_mir_gesagt|hat_gesagt|sagt|verlangt|mochte_dass|will_dass|wunscht|fordert|bestatigt|genehmigt",
        f"ich_bin|wir_sind|hier_ist|hier_spricht|hier_schreibt|es_spricht|als|in_meiner_eigenschaft_als ein|eine|der|die|das|ihr|dein|ihre|vom|wirklich|echter|_ echter|echte|zustandiger|zustandige|offizieller|offizielle|mostro|_ {_DE_ROLES} ^sagt|sagte|erklart|gibt|haben|habe|die|der_entscheidet|gesagt|bezahlt|erhalten",
        "im_namen|im_auftrag des|der|von|vom mostro|solvers|administrators|supports|kaufers|verkaufers|gerichts|teams|bank|mostro_teams",
        "kein|keine roboter|bot|maschine|ki|programm|automat",
        "mostro|administrator|admin|solver|moderator|system hat|_ .. entschieden|angeordnet|genehmigt|autorisiert|bestatigt|verfugt|ordnet",
        "offizielle|amtliche mitteilung|nachricht|anweisung|bekanntmachung",
        "mein name ist",
        "ich heisse",
    ),
    "it": (
        "sono|siamo|qui|mi_chiamo|parla .. arbitro|giudice|mostro|admin|amministratore|moderatore|supporto|avvocato|polizia|team|squadra|supervisore ^scambio|controversia|ordine|app",
        "sta|stai parlando|chattando con una|un|_ persona|umano|operatore",
        "mio|miei|nostro capo|capi|supervisore|superiore|team|collega|colleghi",
        "solver|amministratore|moderatore|giudice|mostro mi|le|ci|_ ha_detto|dice|ha_chiesto|vuole_che|ha_ordinato|ha_approvato|conferma|chiede_che",
        f"sono|siamo|qui_parla|qui_scrive|qui|parla|le_scrive|in_qualita_di|agisco_come|come un|una|il|la|l|suo|tuo|del|dello|dell|della|davvero|_ vero|vera|assegnato|ufficiale|reale|supporto|_ {_IT_ROLES} ^ha|dice|afferma|indica|spiega|conferma|che|umana_decide|deve|puo|le",
        "a_nome_di|a_nome_del|per_conto_di|per_conto_del|da_parte_di|da_parte_del mostro|solver|amministratore|supporto|acquirente|venditore|tribunale|team",
        "non sono|e un|una bot|robot|macchina|ia|programma",
        "mostro|amministratore|solver|moderatore|sistema ha|_ deciso|ordinato|approvato|autorizzato|confermato|stabilito|ordina|comunica|annuncia",
        "avviso|comunicato|messaggio ufficiale|di_mostro|del_sistema|dell_amministratore",
        "mi chiamo",
        "mio nome e",
    ),
}

LABELS: Final = """
system admin administrator mostro solver moderator operator support assistant user tool
developer human judge arbitrator mediator serbero official function bank sistema systeme
administrador administrateur amministratore soporte suporte supporto juez juiz juge richter
giudice mostro_support mostro_admin the_solver your_solver node note_from_the_solver
message_from_mostro soporte_mostro mostro_team instructions
"""
"""A line that begins with one of these and a colon speaks in somebody else's name."""

PARTY_LABELS: Final = """
buyer seller comprador compradora vendedor vendedora acheteur vendeur kaufer verkaufer
kauferin verkauferin acquirente compratore venditore counterparty the_buyer the_seller
el_comprador el_vendedor o_vendedor o_comprador le_vendeur l_acheteur der_kaufer der_verkaufer
il_venditore l_acquirente vendedor_dice seller_says buyer_says message_from_the_seller
message_from_the_buyer nachricht_vom_verkaufer mensaje_del_vendedor round
"""
"""Likewise for a text to a party; a summary may well be ordered by them."""
