# ruff: noqa: E501 - a phrase is one line, however many alternatives it has
"""Traces of a model that follows somebody's orders, or talks about its own."""

from typing import Final

PHRASES: Final = {
    "en": (
        "ignore|disregard|forget|override|bypass|skip all|any|the|your|my|these|those|previous|prior|earlier|above|_ previous|prior|earlier|above|other|_ instruction|instructions|rules|prompt|prompts|policy|policies|guidelines|restrictions|safety",
        "system|developer|initial|hidden|original prompt|message|instruction|instructions",
        "my|your|new|updated|hidden|secret|internal instructions|prompt|programming|guidelines|configuration ^for|from|given",
        "developer|debug|admin|god|maintenance|jailbreak|dan|test mode",
        "as_an|i_am_an|i_m_an ai|language language_model|model|_",
        "language model",
        "prompt injection",
        "jailbreak",
        "i_was|i_am|i_have_been told|instructed|programmed|configured|ordered|asked_by_the to",
        "policy layer|override|disabled",
        "human_review|human_solver|solver not|is_not|isn_t|no_longer|was needed|required|necessary",
        "pretend|roleplay|role_play to_be|you_are|that_you|as|you_re",
    ),
    "es": (
        "ignore|ignora|ignorar|olvide|olvida|omita|omite las|los|todas|todos|sus|tus|mis|_ las|los|_ instrucciones|reglas|indicaciones|normas|ordenes",
        "instrucciones|mensaje|prompt del|de|ocultas|internas sistema|desarrollador ^del_pago",
        "modelo de lenguaje|ia",
        "modo desarrollador|depuracion|administrador|mantenimiento|prueba",
        "mis|nuevas instrucciones",
        "finge|finja|simula|actua que|ser|como",
        "no|sin hace_falta|necesita|es_necesario|necesidad_de|se_requiere .. solver|humano|humana|revision_humana",
    ),
    "pt": (
        "ignore|ignora|ignorar|esqueca|esquece|desconsidere|desconsidera as|os|todas|todos|suas|tuas|minhas|_ as|os|_ instrucoes|regras|indicacoes|normas|ordens",
        "instrucoes|mensagem|prompt do|de|ocultas|internas sistema|desenvolvedor|programador",
        "modelo de linguagem",
        "modo desenvolvedor|programador|depuracao|administrador|manutencao|teste",
        "minhas|novas instrucoes",
        "finja|finge|simule|atue que|ser|como",
        "nao|sem e_necessario|precisa|e_preciso|necessidade_de .. solver|humano|humana|revisao_humana",
    ),
    "fr": (
        "ignorez|ignore|ignorer|oubliez|oublie|negligez les|toutes|tous|vos|tes|mes|_ les|_ instructions|regles|consignes|directives|ordres",
        "instructions|message|prompt|invite du|de|cachees|internes systeme|developpeur",
        "modele de langage|langue",
        "mode developpeur|debogage|administrateur|maintenance|test",
        "mes|nouvelles instructions|consignes",
        "pretendez|faites_semblant|fais_semblant|imaginez que|d_etre|etre",
        "pas|sans|plus besoin|necessaire .. solver|humain|humaine",
    ),
    "de": (
        "ignorieren|ignoriere|vergessen|vergiss|missachten|missachte|uberspringe sie|_ alle|die|deine|ihre|meine|_ vorherigen|bisherigen|vorigen|obigen|fruheren|_ anweisungen|regeln|vorgaben|instruktionen|befehle|richtlinien",
        "systemprompt|systemnachricht|systemanweisung|systemmeldung|entwicklermodus|wartungsmodus|adminmodus|testmodus|debugmodus|systemprompts",
        "system prompt|nachricht|anweisung|meldung",
        "sprachmodell|sprachmodells",
        "meine|neue|neuen anweisungen|instruktionen",
        "tu|tun so als",
        "keine|kein|nicht mehr|_ menschliche|menschlicher|mensch|solver .. notig|erforderlich|prufung|nichts",
    ),
    "it": (
        "ignori|ignora|ignorare|ignorate|dimentichi|dimentica|tralasci le|gli|tutte|tutti|sue|tue|mie|_ le|gli|_ istruzioni|regole|indicazioni|norme|direttive|ordini",
        "istruzioni|messaggio|prompt di|del|nascoste|interne sistema|sviluppatore",
        "modello linguistico|di_linguaggio",
        "modalita sviluppatore|debug|amministratore|manutenzione|test",
        "mie|nuove istruzioni",
        "finga|fingi|simuli che|di_essere|come",
        "non|senza serve|occorre|e_necessario|bisogno .. solver|umano|umana|revisione_umana",
    ),
}

MARKUP: Final = (
    r"<\|.{0,40}?\|>",
    r"</?\s*(?:system|assistant|user|tool|transcript|instructions?|prompt|message|function|think|answer|s|im_start|im_end|entry|party|buyer|seller|inst)\b[^>]{0,80}>",
    r"\[/?(?:inst|system|sys|assistant|user|tool|function|admin)\b[^\]]{0,40}\]",
    r"<<\s*/?\s*sys",
    r"```|~~~",
    r"^\s*#{1,6}\s*(?:system|instructions?|assistant|user|admin|response|tool)\b",
    r"[{,]\s*\"[a-z_]{2,40}\"\s*:",
    r"\"(?:classification|confidence|suggested_action|tool|function|role|content|arguments)\"",
    r"\b(?:coordination_failure_resolvable|suspected_fraud|not_suitable_for_mediation|ask_clarification|suggested_action|buyer_clarification|seller_clarification|authority_boundary_attempt|suggested_next_step|policy_hash)\b",
    r"^\s*-{3,}\s*(?:begin|end|system|transcript|begin .{0,40}|end .{0,40})\b",
    r"\b(?:tool_call|function_call|tool_result|function_results|tool_use)\b",
    r"<(?:img|script|iframe|svg|a|form|input|style)\b",
    r"!\[[^\]]{0,200}\]\(",
)
"""Patterns over the plain text: control tokens, forged delimiters, tool output, code, JSON."""

PLACEHOLDERS: Final = (
    r"\[\s*(?!(?:sic|redacted|removed|link removed|key removed|address removed|\.\.\.)\s*\])[a-z][^\]\n]{1,60}\]",
    r"\{\{?[^{}\n]{0,60}\}?\}",
    r"<\s*[a-z][a-z _-]{1,40}>",
    r"%\(?[a-z_]*\)?s\b",
    r"\$\{",
    r"\b(?:insert|enter|your)_[a-z_]{2,30}\b",
    r"\b(?:xxx+|tbd|lorem ipsum)\b",
    r"_{4,}",
)
"""Patterns over the plain text: gaps that somebody should have filled."""
