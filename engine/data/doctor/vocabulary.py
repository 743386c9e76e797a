"""The words by which columns and cells are known: regular expressions on names in plain form, and sets of plain
    texts.

A plain form has no accents, capitals or marks: "Kündigungs-Datum" reads kundigungs_datum. Words support evidence from
the values; they are never enough by themselves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping


def folded(text: str) -> str:
    """The text in lower case without accents, its blanks made one.

    >>> folded("  Résilié  le 3 "), folded("STRASSE"), folded("Straße")
    ('resilie le 3', 'strasse', 'strasse')
    """
    plain = text.casefold()
    if not plain.isascii():
        parted = unicodedata.normalize("NFKD", plain.replace("ł", "l").replace("ı", "i").replace("ø", "o"))
        plain = "".join(mark for mark in parted if not unicodedata.combining(mark))
    return " ".join(plain.split())


def named(name: str) -> str:
    """The name in plain form, words joined by one underscore.

    >>> named("CustomerID"), named("Kündigungs-Datum"), named("Avg. order value (EUR)"), named("MTHS_on_book")
    ('customer_id', 'kundigungs_datum', 'avg_order_value_eur', 'mths_on_book')
    """
    parted = re.sub(r"(?<=[a-z0-9à-ÿ])(?=[A-ZÀ-Þ])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[\W_]+", "_", folded(parted)).strip("_")


def word(text: str) -> str:
    """The text as a word to be compared: plain, without marks at its ends.

    >>> word(" True. "), word("«Churned»"), word("-1")
    ('true', 'churned', '-1')
    """
    plain = folded(text)
    return plain if re.fullmatch(r"-?[\d.]+", plain) else plain.strip(" .,;:'\"«»*") or plain


def _set(texts: str) -> frozenset[str]:
    return frozenset(texts.split())


def says(name: str, pattern: str) -> bool:
    """Whether the plain name holds one of the pattern's words as words of its own.

    >>> says("is_churned", LEAVING), says("last_name", "name"), says("rename", "name")
    (True, True, False)
    """
    return re.search(rf"(?:^|_)(?:{pattern})(?=_|$|\d)", name) is not None


AWAY = r"(?:switched|moved|went|walked|gone|ported)_away|moved_out|lost_to_(?:a_)?competitors?"
LEAVING = (rf"{AWAY}|"
           r"churn\w*|exit|exited|attrition|attrited|attrit|defect\w*|cancell?ed|cancel|cancell?ation|cancell?ations|"
           r"lapsed|lapse|left|leaver|leave|leaving|quit|terminated|termination|termd|turnover|"
           r"unsubscribed?|resign\w*|discontinu(?:ed?|ation)|disconnect(?:ed|s|ion)?|port(?:ed)?_?out|dropped|dropout|"
           r"dropped_out|deactivat(?:ed?|ion)|deregister(?:ed)?|deregistration|offboard(?:ed|ing)|separation|"
           r"surrender(?:ed)?|gone|lost|departed|departure|attriter|inactive|has_left|did_leave|will_leave|"
           r"kundigung|kuendigung|gekundigt|gekuendigt|abgewandert|abwanderung|abgang|ausgetreten|austritt|storniert|"
           r"abgemeldet|abmeldung|exmatrikul\w*|"
           r"resilie{0,2}s?|resiliation|depart|parti|perdu|desabonne|desabonnement|desactivee?|radiee?|radiation|"
           r"abandono|abandona|abandonado|baja|fuga|fugado|cancelad[ao]|cancelo|cancelou|desercion|desactivad[ao]|"
           r"rescindid[ao]|evasao|evadiu|saiu|desligad[ao]|desistencia|perdido|rescisao|desativad[ao]|desfiliad[ao]|"
           r"abbandono|abbandonato|disdetta|cessat[ao]|recesso|disattivat[ao]|"
           r"opgezegd|opzegging|vertrokken|verloop|uitgeschreven|uitschrijving|odszedl|odeszla|odejsci[ea]|rezygnacj[aie]|zrezygnowal\w*|wypowiedzenie|"
           r"dezaktywowan[ya]|iptal|ayrildi|terk|kayip|avslutad|uppsagd|avhopp|berhenti|opsagt|poistunut")
STAYING = (r"active|is_?active|still_?(?:active|here|member|customer|client|subscribed|enrolled|employed|with_?us)|"
           r"alive|retained|retention|renew|renews|renewed|renewal|stayed|stays|stay|loyal|current_customer|"
           r"is_?customer|subscribed|is_?subscribed|not_churned|no_churn|kept|aktiv|actif|activo|ativo|attivo|actief|"
           r"re_?(?:enrol|enlist|subscri|join|sign)\w*|"
           r"aktywny|aktif|bestand|geblieben|reste|renovo|renovou|rinnovato|verlangert|verlengd|renouvele")
MAY_LEAVE = (r"(?:is_?|has_?|was_?|flag_?)*(?:expired|dormant|withdrawn|withdrew|switched|switch|switcher|disengaged|"
             r"suspended|(?:former|ex|past)_(?:customer|client|member|subscriber|user|employee|policyholder|kunde|cliente))"
             r"(?:_(?:supplier|provider|operator|carrier|bank|insurer))?(?:_?flag)?")
FORMER = (r"prev|previous|previously|prior|past|earlier|formerly|former|before(?=$)|vorher\w*|fruher\w*|zuvor|"
          r"anterior(?:es|mente)?|previ[ao]s?|precedente?s?|precedemment|eerder\w*|vorige|poprzedni\w*|onceki|tidigare")
OF_A_TIME_BEFORE = (r"(?:last|past|prev|previous|prior)_(?:year|yr|season|month|mth|quarter|qtr|week|time|term|"
                    r"contract|renewal|cycle)|ly|py|ever|history|hist|"
                    r"(?:letzte[sn]?|vergangene[sn]?)_(?:jahr|monat|quartal)|ano_pasado|ultimo_ano|annee_derniere")
NOT_LEAVING = (r"hand\w*|foot\w*|side|arm|eye|ear|lane|turn|click|panel|sidebar|voicemail|message|msg|review|reviews|"
               r"feedback|tip|rating|row|seat|ramp|option|options|button|link|insurance_option|protection|waiver")
REMAINING = r"(?:days|weeks|months|years|time|hours|minutes|mins|credits|points|visits|sessions|units|data|seats)_left"
SETTING = (r"auto|autom\w*|offer|offers|desk|team|program\w*|promo\w*|campaign|discount|bonus|index|level|tier|points|"
           r"plan|card|loan|lines?|devices?|users?|seats?|products?|services?|sessions?|hours?|count|num|number")
KIND_OF = r"type|kind|category|class|art|tipo"
MAY_STAY = r"(?:is_?|current_?)*(?:subscriber|member|customer|client|abonne|abonnent)(?:_?flag)?"
CLOSED = r"closed|closure|geschlossen|gesloten|(?:en)?cerrad[ao]|fechad[ao]|clotur\w*|fermee?|chius[ao]|zamkniet\w+"
CONTRACT = r"contract|policy|subscription|relationship|membership|konto|vertrag|cuenta|compte|conta|conto|contrato"
WITHIN = (r"_?(?:within|in|over|next|coming|during|innerhalb|binnen|dentro|dans)(?:_(?:the|next|von|de|os|las|les))*"
          r"_?(?P<count>\d*)_?(?P<unit>d|w|m|q|y|mo|days?|weeks?|months?|quarters?|years?|tage?n?|monate?n?|dias?|meses|"
          r"jours?|mois)(?=_|$)")
UNIT_DAYS: Mapping[str, float] = {"d": 1, "t": 1, "j": 1, "w": 7, "m": 365.25 / 12, "q": 365.25 / 4, "y": 365.25}
NEGATED = r"not|no|non|un|nicht|nao|non|sin"
STATUS = (r"status|state|stat|sts|estatus|estado|statut|situacao|stato|zustand|kundenstatus|lifecycle|stage|standing|"
          r"durum|stav|stan")
TARGET = (r"targets?|labels?|y|y_?true|class|classes|outcome|output|response|ziel|zielvariable|objetivo|cible|alvo|"
          r"classe|result|event|is_event|flag|dependent|ground_truth")
CERTAIN_LEAVING = r"churn|churned|exited|attrition|attrited|is_churn|churn_flag|churn_label|attrition_flag"
NOT_A_LABEL = (r"score|prob|probability|risk|reason|category|rate|date|month|months|day|days|count|number|num|"
               r"amount|cost|fee|type|comment|notes|datum|fecha|data|motivo|grund|raison|value_segment|likelihood|"
               r"survey|interview|form|letter|mail|email|sent|done|reminder|clause|notice|request|requests|"
               r"propensity|prediction|pred|predicted|model|index|ratio|pct|percent|visits|calls|rank|tier|offer")
ENDING = (r"churn|churned|cancel\w*|exit|exited|terminat\w*|end|ended|closing|closed|closure|leave|leaving|left|"
          r"lapsed?|unsubscri\w*|deactivat\w*|deregist\w*|discontinu\w*|disconnect\w*|offboard\w*|separat\w*|surrender\w*|"
          r"withdraw\w*|attrition|departure|resign\w*|quit|"
          r"kundigungs?|kuendigungs?|austritts?|abmelde|storno|ende|resiliation|radiation|depart|sortie|baja|"
          r"cancelacion|cancelamento|rescision|rescisao|saida|desligamento|encerramento|disdetta|cessazione|"
          r"disattivazione|opzeg\w*|uitschrijf|eind|fin|fine")
ENDING_ALONE = (r"churn|cancel|exit|terminat|kundig|baja|resil|attrit|left|laps|deact|deregist|discon|resign|offboard|"
                r"unsubscr|surrender|departure|desact|desativ|radiat|rescis|storno|abmeld")  # nothing but customers
ENDED = (rf"(?:{ENDING})_?(?:date|day|dt|at|on|time|timestamp|datum|tag|fecha|data|ts)|"
         rf"(?:date|dt|fecha|data|datum)_?(?:of|de|di|da|der)?_?(?:{ENDING})|"
         r"(?:vertrags|mitgliedschafts|versicherungs|lieferungs?|abo)_?ende|kundigung_?zum|gekundigt_?zum|"
         r"fin_(?:de_)?contrato?|fine_contratto|fim_(?:do_)?contrato|"
         r"(?:data|dzien)_(?:rezygnacji|odejscia|zakonczenia|wypowiedzenia|rozwiazania|zamkniecia)")

LEFT_LETTERS, STAYED_LETTER = frozenset("ictxld"), "a"
LETTERED = r"status|stat|sts|estado|estatus|statut|situacao|stato|zustand|kundenstatus"
STATUS_BESIDES = (r"client|customer|account|acct|acc|member|membership|subscriber|subscription|user|policy|contract|"
                  r"patient|kunden?|cliente|konto|cuenta|code|cd|current|curr|cust")
NEVER_ENDS = tuple(day for year in (9999, 2999) for day in (
    f"{year}-12-31", f"{year}/12/31", f"31.12.{year}", f"31/12/{year}", f"31-12-{year}", f"12/31/{year}",
    f"12-31-{year}", f"31-dec-{year}", f"dec 31, {year}", f"{year}-12-31t00:00:00"))
NEVER_COMPACT = frozenset({"99991231", "29991231"})

LEFT_WORDS = _set("""churn churned churner churners left leaver leave leaving exited exit cancelled canceled cancel
    attrited attrition terminated closed lapsed lost gone quit resigned departed inactive deactivated
    unsubscribed expired ended dropped defected dormant discontinued non-renewed voluntary involuntary
    disconnected disengaged ported switched withdrew deact dropout withdrawn surrendered former ex-customer ceased
    gekundigt gekuendigt abgewandert inaktiv ausgetreten beendet ehemalig resilie resiliee parti partie inactif perdu
    desabonne baja cancelado cancelada inactivo inactiva fugado perdido inativo inativa cancelou saiu evadido desligado
    cessato disdetta inattivo perso opgezegd inactief vertrokken rezygnacja nieaktywny odszedl ayrildi pasif kayip
    berhenti avslutad uppsagd""") | {
        "attrited customer", "not renewed", "non renewed", "lost customer", "ex customer", "former customer",
        "moved away", "churned customer", "left company", "has left", "no longer active", "closed account"}
STAYED_SHORT = _set("actv act ac acv cur curr opn op enr enrl inf renw vig akt")
LEFT_SHORT = _set("""term termd term'd disc discd disco discon discond discontd discont susp suspd canc cncl cancd
    cancld canx cnx cxl cxld clsd cls inact inac lpsd resgn resgnd dereg unsub unsubd exp expd wdrn wthdrn sep sepd
    nonren cl tm kdg gekuend storn resil desact inat encerr cess""")  # of a status: elsewhere short for much else
STAYED_WORDS = _set("""active existing stayed stay staying current retained loyal open renewed live ongoing customer
    subscribed joined new regular paying valid enrolled present engaged in-force inforce good ok normal non-churn
    nonchurn kept remain remained remaining non-churner enabled trial aktiv bestand bestandskunde actif present abonne
    activo activa vigente alta ativo ativa attivo attiva actief aktywny aktif aktif etkin paused
    kvar aktiivinen""") | {
        "existing customer", "not churned", "no churn", "non churn", "current customer", "in force", "good standing"}
YES = _set("yes y true t 1 1.0 on ja j oui o si s sim verdadero vero vrai wahr tak evet e x ✓ iya")
NO = _set("no n false f 0 0.0 off nein non nao falso faux falsch nee nie hayir h - ✗ tidak nej")
MISSING = _set("""na n/a n.a. n.a n\\a nan null none nil nul #n/a #na #value! #ref! #null! #div/0! - -- --- ? ?? . ..
    ... <na> <null> nat unknown unk unkn undefined undef missing miss blank (blank) empty (empty) nodata no_data tbd tba
    void n.d. nd n.d s/d s.d. sd inconnu desconocido desconhecido sconosciuto unbekannt onbekend nieznany bilinmiyor
    okand k.a. ka nv n.v. not_available notavailable unavailable [null] (null) \\n -nan inf_missing""") | {
        "not available", "no data", "not known", "not provided", "not recorded", "not specified", "not set",
        "keine angabe", "ohne angabe", "sin dato", "sin datos", "non renseigne", "nao informado", "sem informacao",
        "non disponibile", "brak danych", "not given", "no answer", "no info", "to be confirmed", "0000-00-00",
        "00/00/0000", "0000-00-00 00:00:00", *NEVER_ENDS, *(f"{day} {midnight}" for day in NEVER_ENDS for midnight in (
            "00:00", "00:00:00", "00:00:00.000", "12:00:00 am", "23:59:59"))}
MISSING_IN_WORDS = MISSING - _set("none nil - . ka sd void nd nv miss s.d. s/d")

WHO = (r"client|customer|account|member|subscriber|user|policyholder|cardholder|kunde|kundin|mitglied|cliente|socio|"
       r"usuario|abonn[ée]|membre|assinante|iscritto|klant|kund|asiakas")
ID = (r"customer_?(?:id|no|nr|num|number|key|code|ref|uid|uuid)|cust_?(?:id|no|nr|num|key|code|ref)|"
      r"client_?(?:id|no|nr|num|number|key|code|ref|num)|clientnum|user_?(?:id|no|key|uuid|ref)|userid|"
      r"account_?(?:id|no|nr|num|number|key|code|ref)|acct_?(?:id|no|num|key)|member_?(?:id|no|nr|num|number|key|"
      r"ref)|"
      r"membership_?(?:id|no|number)|subscriber_?(?:id|no|key|ref)|subscription_?(?:id|no)|policy_?(?:id|no|"
      r"number|ref)|"
      r"employee_?(?:id|no|nr|number|code)|emp_?(?:id|no)|staff_?(?:id|no)|person_?(?:id|no)|party_?(?:id|key)|"
      r"contract_?(?:id|no|number|ref)|household_?(?:id|no)|patient_?id|student_?id|tenant_?id|"
      r"company_?id|org_?id|organisation_?id|organization_?id|workspace_?id|device_?id|card_?(?:id|no|number)|"
      r"guid|uuid|msno|msisdn|mpan|mprn|imei|iccid|vin|id|ident|identifier|uid|"
      r"kunden_?(?:nr|nummer|id|no)|kundennr|kundenid|mitglieds?_?(?:nr|nummer|id)|vertrags_?(?:nr|nummer)|"
      r"(?:no|num|nr|n)_?(?:socio|cliente|client|abonne|adherent|membre|contrat)|matricule|membership|policy|"
      r"numero_client|num_client|no_client|id_client|identifiant|code_client|numero_adherent|"
      r"id_cliente|cliente_?id|cod_?cliente|codigo_?(?:de_)?cliente|num_?cliente|nro_?cliente|numero_?cliente|"
      r"matricula|matricola|codice_?cliente|klant_?(?:id|nr|nummer)|klantnummer|nr_?klienta|id_?klienta|"
      r"musteri_?(?:no|id|numarasi)|kund_?(?:id|nr|nummer)|pelanggan_?id|id_?pelanggan|dni|rut|cpf|nif")
BARE_ID = r"id|ident|identifier|uid|guid|uuid"
PEOPLE = (rf"(?:{WHO}|player|learner|student|pupil|donor|supporter|guest|patient|employee|staff|worker|tenant|person|"
          r"people|household|company|passenger|driver|buyer|shopper|payer|holder|contact|visitor|reader|viewer|listener|"
          r"traveller|traveler|insured|borrower|spieler|spender|gast|patienten?|"
          r"mitarbeiter|jugador|alumno|paciente|empleado|joueur|eleve|employe|jogador|aluno|funcionario|giocatore|"
          r"studente|dipendente)s?(?:_?(?:id|no|nr|num|number|key|code|ref|handle|name|hash))?")
KEY_WORD = r"ids?|no|nr|num|number|numer|numero|nummer|nro|cod|code|codigo|codice|kod|key|ref|clave"
KEY_COMPOUND = r"\w*[a-z]{3}(?:nr|nummer|nummern|numer)"
STRONG_ID = r"(?:customer|cust|client|user|account|acct|member|subscriber|kunden?|cliente|klant|employee|policy)\w*"
ROW_COUNTER = (r"unnamed(?:_\d+)?|index|row|row_?(?:number|no|num|id|index)|rownum|level|sr_?no|s_?no|serial|"
               r"lfd_?nr|nr|no")
SPLIT = r"split|set|dataset|partition|fold|sample|subset|is_?train|train_?test|data_?set|part"
SPLIT_WORDS = _set("train test training testing validation valid val holdout dev eval score scoring")

MONTHLY_MONEY = (r"(?:monthly|month|mth|mo)_?(?:amt|charges?|fees?|bill|amount|payment|price|cost|spend|revenue|"
                 r"premium|prem|rate|"
                 r"subscription\w*|value|due|dues|plan_price|rent|billing|subs)|mrr|arpu|"
                 r"(?:charges?|fees?|bill|amount|price|cost|spend|revenue|premium|payment)_?(?:per|a)_?(?:month|mo)|"
                 r"subscription_?(?:price|fee|amount|cost)|plan_?price|(?:avg|average|mean)_?bill(?:_?amount)?|bill_?(?:avg|average|mean)|"
                 r"monats?_?(?:beitrag|gebuhr|gebuehr|preis|kosten|umsatz|rechnung)|monatlich\w*|beitrag|"
                 r"(?:cuota|tarifa|cargo|pago|factura|gasto|importe)_?mensual|cuota|mensualidad|mensalidade|"
                 r"(?:valor|preco|custo|tarifa|taxa)_?mensal|(?:precio|imp)_?mens(?:ual)?|(?:prix|tarif)_?mensuel|"
                 r"(?:prezzo|costo|quota)_?mensile|(?:bedrag|prijs|kosten)_?(?:per_?)?(?:mnd|maand)|"
                 r"\w*(?:rate|beitrag|gebuhr|gebuehr|preis|miete|kosten)_(?:mtl|monatlich|(?:pro|je|im)_monat)|"
                 r"(?:leasing|miet|kredit)_?rate|"
                 r"(?:abonnement|montant|facture|forfait)_?mensuel|mensualite|cotisation|"
                 r"(?:canone|tariffa|spesa|importo)_?mensile|canone|maand\w*_?(?:bedrag|prijs|kosten)|"
                 r"oplata_?miesieczna|abonament|aylik_?\w+|manadsavgift|membership_?fee|dues")
PAID = (r"(?:charges?|fees?|price|bill|amount|amt|payment|cost|spend|revenue|premium|rent|dues?|subscription|billing|"
        r"takings|instal?ments?)")
DAILY_PAID = r"(?:charges?|fees?|price|bill|premium|subscription)"
PERIODIC_MONEY: Mapping[tuple[str, str], str] = {
    ("7", "a week"): rf"(?:weekly|week|wkly)_?{PAID}|{PAID}_?(?:weekly|(?:per|a|each)_?(?:week|wk))|"
                     r"wochen_?(?:beitrag|preis|gebuhr|gebuehr|miete)|(?:cuota|precio|tarifa)_semanal|"
                     r"(?:prix|tarif)_hebdo\w*|(?:prezzo|canone)_settimanale|weekprijs",
    ("14", "a fortnight"): rf"(?:fortnightly|biweekly|bi_weekly)_?{PAID}|{PAID}_?(?:fortnightly|per_?fortnight)",
    ("91", "a quarter"): rf"quarterly_?{PAID}|{PAID}_?(?:quarterly|(?:per|a|each)_?quarter)|"
                         r"(?:quartals|vierteljahres)_?(?:beitrag|preis|gebuhr|gebuehr|pramie|praemie)|"
                         r"(?:cuota|prima)_trimestral|(?:prime|cotisation)_trimestrielle",
    ("1", "a day"): rf"daily_?{DAILY_PAID}|{DAILY_PAID}_?(?:daily|(?:per|a|each)_?day)"}
NOT_PAID = r"count|number|num|change|chng|ratio|rate|pct|percent|increase|hike"
WINDOW = (r"(?:^|_)(?:(?:in|over)_)?(?:the_)?(?:last_|past_|trailing_|prior_|previous_|rolling_)?l?(?P<count>\d{1,4})_?"
          r"(?P<unit>d|days?|w|wks?|weeks?|m|mo|mos|mths?|months?|y|yrs?|years?|tagen?|monaten?|dias|meses|jours|mois)"
          r"(?=_|$)")
BY_DAY = r"(?:^|_)(?:d(?P<d>\d{1,3})|w(?P<w>1)|m(?P<m>1))(?=_|$)"  # w2 or m3 may be one week or month of several
AHEAD = r"next|coming|future|upcoming|forecast\w*|predicted|projected|expected"
SPENT = (r"spend|spent|revenues?|turnover|billings?|amount|amt|fees|gmv|umsatz|gasto|"
         r"gastado|facturado|facturacion|gross_bookings|net_bookings|booking_value|order_value|sales_value|"
         r"purchase_value|fatturato|omzet|receita|depenses?")
SOLD = r"sales|bookings|production|purchases|payments|paid|billed|charges?|charged|orders_total|takings"
PAID_BACK = r"claims?|payouts?|reimburs\w*|points|miles|cancelled|canceled|failed|missed"
CURRENCY = (r"(?:\w+_)?(?:currency|ccy|wahrung|waehrung|moneda|devise|valuta|moeda|para_birimi)(?:_(?:code|iso|cd))?")
YEARLY_MONEY = (r"(?:annual|yearly|year|yr|ann)_?(?:amt|prem|charges?|fees?|bill|amount|payment|price|cost|spend|"
                r"revenue|premium|contract_?value|value|sales|turnover)|arr|acv|premium|jahres_?\w*(?:beitrag|umsatz|pramie|praemie)|"
                r"pramie|praemie|prima|prime|premio|umsatz|"
                r"(?:charges?|spend|revenue|amount|sales|purchases?|trans_?amt|trans_?amount|transaction_?amount)"
                r"_?(?:12m|12mo|12_months|ytd|1y|ltm|last_year|last_12_months|365d?)|"
                r"total_?trans_?(?:amt|amount)|spend_?12m|gasto_?anual|ca_?annuel|fatturato|receita_?anual")
TOTAL_MONEY = (r"(?:total|lifetime|cumulative|overall|all_?time)_?(?:charges?|spend|spent|revenue|amount|payments?|"
               r"purchases?|sales|billed|value|paid|order_?value)|monetary|total_?amount_?spent|amount_?spent|"
               r"money_?spent|"
               r"revenue|spend|spent|sales|turnover|gasto_?total|total_?gastado|importe_?total|valor_?total|"
               r"montant_?total|ca_?total|spesa_?totale|gesamt_?umsatz|totaal\w*bedrag|cashback_?amount|"
               r"order_?amount|purchase_?amount|amount|price|charges?|fee|bill|plan_?fee|cost|contract_?value")
ONE_TIME = (r"clos(?:ing|ure)|cancell?ation|termination|exit|penalt\w*|fines?|late|reminder|dunning|set_?up|activation|"
            r"joining|enrol\w*|sign_?up|registration|admission|reinstatement|installation|disconnection|one_?(?:time|off)|"
            r"mahn\w*|storno\w*|aufnahme|anschluss|kundigungs?|penalidad|multas?|inscripcion|penalites?")
NOT_REVENUE = (r"list_?price|list\w*preis|neupreis|kaufpreis|purchase_?price|msrp|rrp|uvp|"
               r"rows|recent|peak|tariff|var|std|income|salary|wage|balance|limit|credit|debt|loan|deposit|savings?|"
               r"cashback|discount|refund|tax|"
               r"gehalt|einkommen|salario|sueldo|renda|salaire|revenu|stipendio|reddito|inkomen|saldo|solde|"
               r"avg|average|mean|max|min|change|ratio|chng|q4|q1|hike|increase|rate|pct|percent|day|daily|hourly|"
               r"number|hours?|time|minutes?|mins?|seconds?|visits|clicks|app|count|extra|overdue|late|last|net_?worth|"
               r"worth|assets?|market|median|delta|trend|past_?due|outstanding|family_?income|estimated")
OCCASION = (rf"{PAID}|gifts?|donations?|orders?|baskets?|carts?|purchases?|transactions?|transaction_?(?:value|amount)|"
            r"trans|sales?|bookings?|spent|value|betrag|umsatz|warenkorb|compra|achat")
PER_OCCASION = (rf"(?:avg|average|mean)_?(?:{OCCASION}|daily_rate)|(?:{OCCASION})_?(?:avg|average|mean)|"
                r"adr|aov|atv|nightly_?(?:rate|price)|(?:price|rate|cost)_?per_?(?:night|visit|order|unit|item)")
A_PLAN = (r"(?:\w+_)?(?:plan|tier|contract|subscription|membership|package|tariff|bundle|tarif|abo|abonnement|vertrag|"
          r"plano|contrato|suscripcion|forfait)(?:_(?:type|name|code|cd|level|kind|category|term|length))?")
OF_A_PLAN = r"fees?|price|charges?|premium|bill"
BY_SUBSCRIPTION = frozenset({"saas", "streaming", "telecom"})
TENURE = (r"tenure\w*|months_?(?:on_?book|active|member\w*|customer|client|subscribed|old|as_?\w+|"
          r"since_?(?:joining|signup|start)|with_?\w+|enrolled|in)|"
          r"mths_?on_?book|account_?(?:length|age|weeks)|(?:customer|account|membership|contract|relationship)_?"
          r"(?:age|tenure|length|duration|months|years)|length_?of_?(?:service|relationship|membership)|"
          r"years_?(?:at_?company|as_?\w+|with_?\w+|active|enrolled)|seniority|vintage|loyalty_?months|"
          r"lifetime_?months|"
          r"days_?(?:active|since_?(?:signup|registration|joining|join|start|first\w*)|as_?\w+)|"
          r"(?:customer|client|member|subscriber|subscription|insured|supplied|with_us)_?(?:for|since)_?(?:months|mths|years|"
          r"yrs|weeks|days)|(?:customer|client|cust|member|membership|subscriber|account|acct|policy|supply|loyalty)_?"
          r"(?:years|yrs|mths|weeks|wks)|policy_?age|age_?of_?(?:the_?)?(?:account|acct|customer|policy|contract|"
          r"relationship|membership|subscription)|mob|(?:years|yrs|months|mths)_?of_?(?:service|membership|supply|custom|"
          r"tenure)|time_?(?:as_?(?:a_?)?(?:customer|client|member|subscriber)|with_?(?:us|company|bank|provider))|"
          r"(?:member|customer|subscriber)_(?:months|days)|subscription_?(?:length|age|months)|"
          r"age_?on_?network|aon|"
          r"vertrags?_?(?:dauer|laufzeit|monate)|kunden?_?(?:dauer|jahre|monate)|mitgliedschafts?_?(?:dauer|monate)|"
          r"antiguedad\w*|meses_?(?:activo|cliente|antiguedad|de_?\w+)|anciennete\w*|tempo_?(?:de_)?(?:casa|"
          r"cliente|contrato)|"
          r"(?:years?|yrs?|months?|mths?|weeks?|wks?|days?)_?(?:insured|subscribed|subscriber|member|enrolled|"
          r"supplied|served|covered|customer|client|policyholder|registered|in_?service|"
          r"on_?(?:supply|books?|network|contract|service|platform)|with_?(?:us|company|bank|provider|insurer|supplier))|"
          r"weeks_?(?:active|as_?\w+|since_?(?:signup|registration|joining|join|start))|"
          r"(?:insured|subscribed|enrolled)_?(?:for_?|in_?)?(?:years|months|weeks|days)|"
          r"(?:jahre|monate|wochen|tage)_?(?:versichert|kunde|mitglied|abonniert|im_bestand|vertrag)|"
          r"(?:kunde|versichert|mitglied)_seit_(?:jahren|monaten|tagen)|"
          r"(?:anos|meses|dias)_?(?:de_)?(?:asegurado|suscrito|abonado|socio|cliente)|"
          r"(?:ans|annees|mois|jours)_?(?:assure|abonne|client)e?|"
          r"meses_?(?:de_)?contrato|anzianita\w*|mesi_?\w*|looptijd\w*|maanden\w*|staz\w*|uyelik_?suresi|"
          r"abonelik_?suresi")
NOT_TENURE = r"left|remaining|remain|until|till|arrears|overdue|past_due|default|debt|inactive|idle"
DATED = (r"\w*(?:date|datum|fecha)|(?:\w+_)?(?:dt|dob|birthday|joined|registered|signed_up|anniversary|geboren|"
         r"eintritt|austritt|beginn)|(?:date|fecha|datum)_\w+|data_(?:d[aeio]|nasc\w*|in[iz]\w*|[ia]\w*scri\w*|adesao|"
         r"cadastro|attiva\w*|contrat\w*)(?:_\w+)?|\w+_(?:on|since|seit)")
PERIOD = (r"(?:\w+_)?(?:month|yyyy_?mm|yearmonth|year_month|ym|period|snapshot|cohort|vintage|monat|mes|mois|mese|"
          r"maand|miesiac|periodo|periode|stichtag|as_of)(?:_?(?:id|key|code|no|nr|num|number|index|idx|seq|end|start))?")
RECENCY = (r"recency\w*|days_?since_?(?:last|prev|previous)\w*|last_?(?:login|activity|active|order|purchase|"
           r"visit|seen)_?"
           r"(?:days|days_?ago)|day_?since_?last\w*|days_?(?:inactive|idle|silent|without\w*)|inactive_?days|"
           r"days_?last_?\w+|tage_?seit\w*|dias_?(?:sin|desde|sem)\w*|jours_?(?:depuis|sans|inactif)\w*|"
           r"giorni_?(?:da|senza)\w*|"
           r"dagen_?sinds\w*|dni_?od\w*")
CONTACT: Mapping[str, str] = {
    "email": r"e_?mail\w*|mail|mail_?address|correo\w*|courriel|indirizzo_?email|eposta|e_?posta",
    "phone": r"phone\w*|telephone|tel|mobile\w*|cell\w*|telefon\w*|telefone|handy\w*|movil|celular|portable|"
             r"rufnummer|gsm|tlf",
    "first_name": r"first_?name|given_?name|forename|vorname|prenom|nombre|primeiro_?nome|nome|voornaam|imie|fornamn",
    "last_name": r"last_?name|surname|family_?name|nachname|nom|nom_?de_?famille|apellidos?|sobrenome|cognome|"
                 r"achternaam|"
                 r"nazwisko|efternamn|soyad\w*",
}
CHANNELS: Mapping[str, str] = {"email": r"e_?mails?|mail|mails|mailing|newsletters?|correo|courriel|eposta",
                               "sms": r"sms|text|texts|texting|mms",
                               "phone": r"phone|phoned|phoning|call|calls|called|calling|telefon|telefono|telephone|"
                                        r"tel|telemarketing|anruf|anrufe|llamadas?|appels?"}
OTHERWISE = (r"gender|sex|married|marital|civil|spouse|partner|dependents?|children|kids|senior\w*|smok\w*|age|ages|"
             r"student|employed|homeowner|owner|owns|own|grade|class|rating|band|score|group|cluster|blood\w*|"
             r"language|lang|locale|country|region|city|zip|area|urban|rural|segment|"
             r"tier|plan|tariff|product|package|contract|device|os|platform|browser|app|channel|source|medium|payment\w*|"
             r"pay|card|debit|autopay|paperless|e?bill\w*|invoice\w*|currency|discount\w*|promo\w*|coupon\w*|vouchers?|"
             r"offer\w*|trial|roaming|streaming|internet|phone|mobile|tv|gas|water|backup|security|support|protection|"
             r"insurance|gift\w*|volunteer\w*|newsletter|\w*consent|opt|opt_?in|opt_?out|e?mails?|sms|calls?|auto|renew\w*|has|"
             r"new|first|vip|premium|upgrade\w*|downgrade\w*|complain\w*|education|job|travel|type|category|size|"
             r"deposit|loan|mortgage|default|verified|fraud|test|train|split|geschlecht|sexo|sexe|sesso|genero|genre")
OTHER_DAYS = (r"birth\w*|dob|born|geb\w*|start\w*|begin\w*|beginn|join\w*|sign\w*|regist\w*|creat\w*|since|install\w*|"
              r"enrol\w*|first|last|next|renew\w*|expir\w*|due|until|valid\w*|upgrad\w*|purchas\w*|order\w*|contact\w*|"
              r"login|visit\w*|updat\w*|modif\w*|deliver\w*|ship\w*|paid|pay\w*|invoice\w*|claim\w*|complain\w*|call\w*|"
              r"upload\w*|activat\w*|eintritt\w*|alta|inicio|debut|inizio|inici[oa]|nac\w*|nasc\w*|naiss\w*")
NEUTRAL = (r"is|has|did|will|was|be|customer|cust|client|user|account|member|employee|subscriber|flag|label|value|"
           r"status|state|yn|ind|indicator|in|within|next|bool|binary|company|or|not|\d+d?|q\d|kunde|cliente|hat|ist|es|est|a")
CONSENTED = (r"consent|consents|consented|opt_?in|opted_?in|opt_?out|opted_?out|may_?contact|contactable|dnc|"
             r"\w*einwilligung|consentimiento|consentement|consenso|toestemming|zgoda|samtycke|werbesperre|"
             r"werbewiderspruch|robinson\w*")
AGREED = (r"consent|consents|consented|opt_?in|opted_?in|accept|accepts|accepted|agree|agreed|agrees|permission|"
          r"permitted|allowed|allow|allows|may_?contact|contactable|can|ok|\w*einwilligung|erlaubt|erlaubnis|"
          r"consentimiento|consentement|consenso|toestemming|zgoda|samtycke|subscribed|subscriber|subscription")
REFUSED = (r"opt_?out|opted_?out|do_?not|dont|donot|dnc|unsubscribed?|refused?|refuses|declined?|"
           r"no_(?=contact|marketing|e_?mail|sms|text|phone|call|newsletter)|werbesperre|werbewiderspruch|"
           r"robinson\w*|no_?(?:contact|marketing|e_?mails?|sms|calls?)|suppressed")
CONTACTED = (r"marketing|contact|contacted|contacting|gdpr|dsgvo|rgpd|advertis\w*|werb\w*|promo\w*|communications?|"
             r"comms|commercial|publicidad|publicitaria|pubblicita|publicite|reclame|market|kontakt|contacto|contatto")
BY_POST = r"direct_?mail|post|postal|letters?|brief|posta"
LINKS = (r"to|for|of|from|by|via|the|and|on|any|all|list|registry|registered|"
         r"zu|fur|per|von|de|di|da|al|a|receive|receives")
AGREED_WORDS = _set("subscribed opted-in optin agreed granted accepted allowed consented permitted") | {
    "opted in", "opt in", "opt-in"}
REFUSED_WORDS = _set("unsubscribed opted-out optout refused denied declined withdrawn revoked") | {
    "opted out", "opt out", "opt-out", "not subscribed", "never subscribed", "non-subscribed"}
FREE_TEXT = (r"comment\w*|note|notes|remarks?|description|feedback|review|message|address|street|url|name|full_?name|"
             r"title|bio")
NAMES = (r"(?:(?:customer|client|cust|guest|member|patient|account|company|contact|subscriber|user|student|tenant|"
         r"employee|business|organi[sz]ation|org|policy_?holder|card_?holder|person|legal|display|full|complete|"
         r"whole|household)s?_?)+_?names?|names?|full_?name|fullname|user_?name|surname_name|contact(?:_?person)?|primary_contact|company|"
         r"(?:kunden|firmen|mitglieds|voller_)_?namen?|firma|ansprechpartner(?:in)?|nombre(?:_y_|_)apellidos?|"
         r"nombre_?(?:completo|cliente|del_cliente)|razon_social|nom_?(?:complet|client|prenom)|raison_sociale|"
         r"ragione_sociale|nome_?(?:completo|cliente)|naam|klantnaam|volledige_naam|bedrijfsnaam")
MONTHS, YEARS, DAYS, WEEKS = (r"months?|mths?|mos?|monate?n?|meses|mes|mois|mesi|maanden|ay|m",
                              r"years?|yrs?|jahre?n?|anos?|ans|annees|anni|jaar|lata|yil|y",
                              r"days?|tage?n?|dias?|jours?|giorni|dagen|dni|gun|d", r"weeks?|wochen?|semanas?|"
                              r"semaines?|wk|wks")
SYMBOLS: Mapping[str, str] = {
    "$": "USD", "€": "EUR", "£": "GBP", "₹": "INR", "¥": "JPY", "R$": "BRL", "zł": "PLN", "kr": "SEK", "₺": "TRY",
    "₽": "RUB", "₩": "KRW", "CHF": "CHF", "Fr.": "CHF", "Rs": "INR", "Rs.": "INR", "US$": "USD", "A$": "AUD", "C$":
    "CAD",
    "₫": "VND", "₪": "ILS", "R": "ZAR", "₱": "PHP", "฿": "THB", "Rp": "IDR", "Ft": "HUF", "Kč": "CZK", "S/": "PEN",
    **{code: code for code in ("USD", "EUR", "GBP", "INR", "JPY", "BRL", "PLN", "SEK", "NOK", "DKK", "TRY", "AUD",
    "CAD",
                               "MXN", "ZAR", "SGD", "HKD", "CNY", "IDR", "AED", "NZD", "CZK", "HUF", "RON", "ILS")},
}
SAID_OTHERWISE = frozenset({"TRY", "CAD", "RON", "SEK"})  # codes that are words in small letters
SECTORS: Mapping[str, str] = {
    "telecom": r"roaming|intl_?\w*|minutes?|mins|voice|data_?usage|gb|mbps|sms|fiber|fibre|broadband|internet_?service|"
               r"phone_?service|(?:mobile|voice|data|call|phone|roaming|handy|mobilfunk)_?tarif\w*|sim|day_?calls|"
               r"eve_\w+|voicemail|vmail\w*|streaming_?tv|router|handset|msisdn|prepaid|postpaid|top_?ups?|recharges?|"
               r"minutos|voz|llamadas|recargas?|portabilidad|prepago|pospago",
    "bank": r"(?<!points_)(?<!miles_)balance|"
            r"credit_?(?:scores?|cards?|limits?|lines?|ratings?|history|utili[sz]ation\w*)|loan|cards?|card_\w+|deposit|iban|overdraft|mortgage|revolving\w*|num_?of_?products|atm|branch|kredit|"
            r"konto\w*|saldo_(?:medio|promedio|cuenta)|prestamo|mutuo",
    "insurance": r"premium|policy\w*|claims?|insured|coverage|deductible|policen?|schaden|siniestros?|sinistre|"
                 r"vehicle\w*",
    "streaming": r"watch\w*|genres?|episodes?|playlists?|songs?|tracks?|skips|listen\w*|num_unq|total_secs|binge\w*|"
                 r"movies?|shows|titles?_(?:watched|played)|profiles|screens|streams?|stream_\w+",
    "medspa": r"treatments?|injectables?|botox|fillers?|facials?|appointments?|no_?shows?|laser\w*|aesthetician|clinic",
    "real_estate": r"listings?|propert(?:y|ies)|rent|leases?|lease_\w+|tenants?|landlord|bedrooms?|square_?(?:feet|"
                   r"meters|metres)|sqft|maintenance_?requests",
    "saas": r"mrr|arr|seats|seat_(?:count|limit|usage|utili[sz]ation)|plan|subscription\w*|workspace|logins?|"
            r"feature\w*|api_?calls|trial|nps|integrations",
    "retail": r"orders?|basket|cart\w*|recency|frequency|monetary|coupon\w*|returns?|sku|cashback|warehouse\w*|"
              r"wishlist|"
              r"purchases?|categories|app_?hours",
}
ANY_TRADE = (r"plan|subscription\w*|logins?|feature\w*|trial|nps|minutes?|mins|appointments?|premium|vehicle\w*")
