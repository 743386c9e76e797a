"""What a column's name says of its values: "Lapsed (1=yes, 2=no)", "Churn [Y/N]", "exited_0_1"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from engine.data.doctor.looks import Look
from engine.data.doctor.recognise import Part
from engine.data.doctor.vocabulary import NO, YES, named, word

WORD = r"[^\W\d_][^,;/|()\[\]{}=:]*?"
MARK = r"\s*(?:=+>?|:|->|→)\s*"
ENDS = r"['\"]?\s*(?=[,;/|)\]}]|$|\s(?:and|und|or|y|et|e|o)\s|\s-?\d{1,2}\s*[=:\-–]|\s[a-z]\s*[=:])"
CODED = re.compile(rf"(?<![\w-])['\"]?(?P<code>-?\d{{1,2}}|[a-z])['\"]?{MARK}['\"]?(?P<means>{WORD}){ENDS}", re.I)
DASHED = re.compile(rf"(?<![\w-])(?P<code>\d)\s*[-–]\s*(?P<means>{WORD}){ENDS}", re.I)
TURNED = re.compile(rf"(?<!\w)['\"]?(?P<means>[^\W\d_]{{2,}}(?:\s[^\W\d_]+)?)['\"]?{MARK}['\"]?"
                    r"(?P<code>-?\d{1,2})(?!\w)", re.I)
SPELLED = re.compile(r"(?:^|_)(?P<code>\d{1,2})_?(?P<means>yes|no|ja|nein|nee|si|oui|non|sim|nao|true|false|left|"
                     r"stayed|stay|leave|churn|churned|retained|active|inactive|closed|open|lapsed)(?=_|$)")
PAIRS = (r"y(?:es)?/no?", r"no?/y(?:es)?", r"t(?:rue)?/f(?:alse)?", r"f(?:alse)?/t(?:rue)?", "0/1", "1/0", "1/2",
         r"ja?/n(?:ein|ee)?", r"s[ií]?/no?", r"sim/n[aã]o", r"o(?:ui)?/n(?:on)?", r"t(?:ak)?/n(?:ie)?", "e(?:vet)?/h")
EITHER = "|".join(pair.replace("/", r"\s*(?:/|,|\||\bor\b)\s*") for pair in PAIRS)
CHOICE = re.compile(rf"(?<!\w)(?:{EITHER})(?!\w)", re.I)
PLAIN_CHOICE = re.compile(r"_(?:y_n|n_y|yes_no|0_1|1_0|t_f|true_false|ja_nein|j_n|s_n|si_no|oui_non|o_n)$")


def legend(name: str) -> tuple[str, dict[str, str]]:
    """The name of a column without what it says of its values, in plain form, and what each of them means.

    >>> legend("Lapsed (1=yes, 2=no)"), legend("Churn (Stayed=0; Left=1)"), legend("lapsed_1_yes_2_no")
    (('lapsed', {'1': 'yes', '2': 'no'}), ('churn', {'0': 'stayed', '1': 'left'}), ('lapsed', {'1': 'yes', '2': 'no'}))
    >>> legend("HasChurned [Y/N]"), legend("exited_0_1"), legend("churn_2024"), legend("monthly_fee (EUR)")
    (('has_churned', {}), ('exited', {}), ('churn_2024', {}), ('monthly_fee_eur', {}))
    """
    bare, codes = name, dict[str, str]()
    for way in (CODED, DASHED, TURNED):
        if told := _told(way, bare):
            bare, codes = way.sub(" ", bare), told
            break
    plain = named(CHOICE.sub(" ", bare))
    if not codes and len(told := _told(SPELLED, plain)) > 1:
        plain, codes = named(SPELLED.sub("_", plain)), told
    plain = named(PLAIN_CHOICE.sub("", plain))
    return (plain, codes) if plain else (named(name), {})


def _told(way: re.Pattern[str], name: str) -> dict[str, str]:
    return {word(found["code"]): word(found["means"]) for found in way.finditer(name)}


def in_words(look: Look) -> tuple[Look, Mapping[str, str]]:
    """The column under its name without the legend, each value as what the legend says of it; and by what a value means
    the values as they stand in the file, parted by |."""
    plain, codes = legend(look.name)
    if named(look.name) != look.plain or (plain == look.plain and not codes):
        return look, {}
    meant = {text: codes[code] for text, _ in look.values if (code := re.sub(r"\.0+$", "", word(text))) in codes}
    look = replace(look, plain=plain)
    if not meant:
        return look, {}
    values = tuple((meant.get(text, text), rows) for text, rows in look.values)
    texts = {word(text) for text, _ in values}
    kind = "flag" if texts <= YES | NO else "category"
    means = {one: "|".join(text for text, mine in meant.items() if mine == one) for one in meant.values()}
    return replace(look, values=values, kind=kind), means


def as_coded(part: Part, means: Mapping[str, str]) -> Part:
    """The part of a column so read, by its values as they stand in the file."""
    if not means or not part.value or part.value == "filled":
        return part
    said = [one for one in part.value.split("|") if one in means]
    told = "".join(f"; its name says that {means[one].replace('|', ' and ')} means {one}" for one in said)
    value = "|".join(means.get(one, one) for one in part.value.split("|"))
    return replace(part, value=value, evidence=f"{part.evidence}{told}")
