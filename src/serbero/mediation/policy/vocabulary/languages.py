"""The commonest words of the languages we can screen, to tell whether we can read a text at all.

A sentence in another language cannot be screened by these lists, so it is not let through.
"""

from typing import Final

COMMON: Final = {
    "en": (
        "the a an and or but if of to in on at for from by with about as is are was were be "
        "been am do does did have has had you your yours he she it they we i me him her them "
        "us his their its our my this that these those there here what when which who how why "
        "where not no yes please can could would will may more any all some so than then also "
        "only before after still yet already out up both each other into because while until "
        "thank thanks hello hi since payment paid sent received seller buyer one two first "
        "last time day date today yesterday days hours amount bank account method reference "
        "let know just like get got see tell say says said make made take use used need want "
        "help happened everything something anything nothing such within between through "
        "against during"
    ),
    "es": (
        "el la los las un una unos unas y e o u pero si de del a al en con por para sin sobre "
        "entre es son fue era esta estan ha han he hay ser estar no ni que quien cual cuando "
        "donde como cuanto su sus tu tus mi me te le les se lo nos este esto ese esa eso aquel "
        "ya mas muy tambien solo aun todavia hasta desde usted ustedes yo ella ellos gracias "
        "hola pago envio recibio vendedor comprador favor puede dos vez dia dias hora fecha "
        "hoy ayer cuenta banco importe metodo referencia dice dijo ver ve hizo hecho algo nada "
        "todo otra otro tiene tengo tenia puedo podria necesita decir durante mismo misma "
        "ahora aqui asi parte"
    ),
    "pt": (
        "o a os as um uma uns umas e ou mas se de do da dos das em no na nos nas com por para "
        "pelo pela sem sobre entre ao aos foi era esta estao ha tem ter ser nao nem que quem "
        "qual quando onde como quanto seu sua seus suas teu tua meu minha me te lhe lhes isso "
        "isto este esse essa ele ela eles ja mais muito tambem so ainda ate desde voce voces "
        "eu obrigado obrigada ola pagamento enviou recebeu vendedor comprador favor pode dois "
        "vez dia dias hora data hoje ontem conta banco valor metodo referencia diz disse ver "
        "ve fez feito algo nada tudo outra outro tenho tinha posso poderia precisa dizer "
        "durante mesmo mesma agora aqui assim parte foram seria"
    ),
    "fr": (
        "le la les l un une des du de d et ou mais si a au aux en dans sur avec par pour sans "
        "entre chez est sont etait ont ai as avez avons ete etre avoir ne n pas ni que qu qui "
        "quel quelle quels quand comment combien pourquoi votre vos ton ta tes mon ma mes son "
        "sa ses leur leurs nous vous je j tu il elle ils on se s ce c cet cette ces y deja "
        "plus tres aussi encore jusqu depuis merci bonjour paiement envoye recu vendeur "
        "acheteur pouvez deux fois jour jours heure date aujourd hui hier compte banque "
        "montant moyen reference dit voir voyez fait quelque chose rien tout toute autre avait "
        "peux pourriez besoin dire pendant meme maintenant ici ainsi partie sera afin"
    ),
    "de": (
        "der die das den dem des ein eine einen einem einer eines und oder aber wenn ob von zu "
        "zum zur in im an am auf fur mit bei aus nach uber durch ohne seit bis vor ist sind "
        "war waren sein haben hat habe hatte hatten werden wird wurde nicht kein keine ja nein "
        "bitte was wann welche welcher welches wer wie warum wo sie du er es wir ihr ich mir "
        "mich ihm ihn ihnen ihre ihren sich dies diese dieser dieses noch schon mehr auch nur "
        "sehr dass als danke hallo zahlung gezahlt erhalten verkaufer kaufer konnen zwei mal "
        "tag tage uhr datum heute gestern konto bank betrag weg sagt sehen sieht gemacht etwas "
        "nichts alles andere anderen kann konnte brauche sagen wahrend jetzt hier so seite gab "
        "sei gegen etwa alle beides dazu daran damit"
    ),
    "it": (
        "il lo la i gli le l un uno una e ed o ma se di del dello della dei degli delle d a al "
        "allo alla ai agli alle da dal dalla in nel nella nei con su sul sulla per tra fra "
        "senza sono era ha hanno ho hai essere avere non ne che chi quale quali quando dove "
        "come quanto perche suo sua suoi sue tuo tua mio mia mi ti si ci vi lei lui loro noi "
        "io questo questa questi quello gia piu molto anche solo ancora fino grazie salve "
        "pagamento inviato ricevuto venditore acquirente favore puo due volta giorno giorni "
        "ora data oggi ieri conto banca importo metodo riferimento dice detto vedere vede "
        "fatto qualche cosa niente tutto altra altro aveva posso potrebbe serve dire durante "
        "stesso stessa adesso qui cosi parte stato stata quel quella sull nell dell all dall "
        "verso nulla"
    ),
}
"""Language to its commonest words, folded: no accents."""
