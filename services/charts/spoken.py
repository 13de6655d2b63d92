"""Languages that are told apart: a closed list, so that no client can make more of them, and none depends on order.

ISO 639-1; BCP 47 asks for these two letters wherever a language has them. All others are together `other`, and counted.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from services.charts.hash_sample import I32
from shared.languages import UNKNOWN_LANGUAGE, primary_subtag

_ISO_639_1: Final = """
    aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
    es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg
    ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn
    no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta
    te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
UNKNOWN, OTHER = range(2)
LANGUAGES: Final = (UNKNOWN_LANGUAGE, "other", *_ISO_639_1.split())
_CODES: Final = {name: code for code, name in enumerate(LANGUAGES)}


def codes(tags: pa.Array) -> I32:
    """Of each tag (BCP 47, or null) the place of its primary subtag in LANGUAGES, shape (n,)."""
    encoded = tags.dictionary_encode()
    primary = primary_subtag(encoded.dictionary).to_pylist()
    of_tag = np.array([*(_CODES.get(name, OTHER) for name in primary), UNKNOWN], np.int32)
    return np.asarray(of_tag[encoded.indices.fill_null(len(primary)).to_numpy()], np.int32)
