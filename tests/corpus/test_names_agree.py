"""What the traffic itself says, next to what tshark, nDPI and Zeek heard in the same captures."""

import json

import pytest
from name_scores import NameComparison, ServiceComparison, compare_names, compare_services, compare_with_ndpi
from zeek_states import Comparison

LEAST_AGREEMENT_WITH_TSHARK = 0.995
LEAST_AGREEMENT_WITH_NDPI = {True: 0.95, False: 0.75}
LEAST_AGREEMENT_WITH_ZEEK = 0.95
LAYER_OF_VIEW = {"outer+frag": "outer", "inner+frag": "inner"}


def beside(corpus, oracles):
    """(the oracle of one kind, the flow rows of both layers) of every capture that has one."""
    for entry in corpus.entries:
        path = corpus.folder / oracles / f"{entry.name}.json"
        if path.exists():
            yield json.loads(path.read_text()), [corpus.flow_rows(entry, layer) for layer in ("outer", "inner")]


@pytest.mark.parametrize("view", LAYER_OF_VIEW)
def test_server_names_and_hosts_are_tsharks(corpus, compare, score, view):
    result = NameComparison()

    for entry in corpus.entries:
        compare_names(compare, entry, corpus.flow_rows(entry, LAYER_OF_VIEW[view]), view, result)

    score.append(f"SNI and Host, {view}: {result}")
    score += [f"    not tshark's: {line}" for line in result.different]
    score += [f"    tshark has none: {line}" for line in result.additional if view == "outer+frag"]
    assert result.agreement >= LEAST_AGREEMENT_WITH_TSHARK


def test_services_and_apps_are_ndpis_where_it_read_them_from_the_traffic(corpus, score):
    result = ServiceComparison()

    for oracle, views in beside(corpus, "oracles_ndpi"):
        compare_with_ndpi(oracle, views, result)

    agreement = {dissected: result.agreement(dissected_only=dissected) for dissected in (True, False)}
    score.append(f"nDPI: {agreement[True]:.2%} of what we dissect, {agreement[False]:.2%} of all; {result}")
    score += [f"    {line}" for line in result.lines()]
    assert agreement[True] >= LEAST_AGREEMENT_WITH_NDPI[True]
    assert agreement[False] >= LEAST_AGREEMENT_WITH_NDPI[False]


def test_services_are_zeeks_where_it_names_one(corpus, score):
    result = Comparison()

    for oracle, views in beside(corpus, "oracles_zeek"):
        compare_services(oracle, views, result)

    score.append(f"services as Zeek has them: {len(result.same)} of {len(result.same) + len(result.different)} flows")
    score += [f"    {line}" for line in result.different]
    assert result.agreement >= LEAST_AGREEMENT_WITH_ZEEK
