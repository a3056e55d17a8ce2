"""Words after which what follows is asked of somebody: see the sign ``!`` in phrases."""

from typing import Final

LEADS: Final = """
please kindly must should shall now just then simply ll immediately need_to needs_to got_to
you_have_to must_first first asked_to required_to obliged_to instructed_to advised_to urged_to
order_you_to want_you_to ask_you_to you_to can_you could_you will_you would_you you_can
you_could you_may you_will let_us let_s lets i_will we_will always go_and go only quickly
best_to time_to por_favor debe debes deberia deberias tiene_que tienes_que hay_que puede
puedes podria podrias necesita necesitas ahora primero le_pido_que te_pido_que necesito_que
entonces solo favor_de pido deve deves precisa precisas tem_que tem_de pode podes poderia
agora primeiro basta preciso_que peco_que entao so s_il_vous_plait s_il_te_plait svp devez
dois il_faut pouvez peux veuillez merci_de pourriez_vous maintenant vous_prie_de te_prie_de
pouvez_vous peux_tu d_abord alors suffit_de ensuite bitte jetzt sofort dann zuerst einfach
konnen_sie kannst_du per_favore devi dovrebbe dovresti bisogna puo puoi prego potrebbe
potresti adesso ora prima allora occorre
"""
