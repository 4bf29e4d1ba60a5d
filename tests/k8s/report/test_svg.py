from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s.report.svg import Axis, Drawing, as_steps
from k8s.twin.report.rows import Mark, Ruler, TableRow, draw_rows, shortened

finite = st.floats(-1e6, 1e6)


def test_an_axis_maps_its_ends_and_stops_at_its_edges():
    """An axis maps its ends, and puts values outside on its edges."""
    axis = Axis(0, 10, 100, 0)
    assert [axis(value) for value in (0, 5, 10, -3, 99)] == [100, 50, 0, 100, 0]


def test_ticks_are_round():
    assert Axis(0, 1, 0, 1).ticks(4) == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert Axis(-0.0075, 0.02, 0, 1).ticks(4) == pytest.approx([0, 0.01, 0.02])
    assert Axis(0, 372, 0, 1).time_ticks(8) == [0, 60, 120, 180, 240, 300, 360]


@given(finite, st.floats(1e-6, 1e6), st.integers(1, 8))
def test_ticks_lie_inside_and_are_few(low, span, about):
    axis = Axis(low, low + span, 0, 1)
    ticks = axis.ticks(about)
    assert len(ticks) <= about + 1
    assert all(low - span * 1e-6 <= tick <= low + span * (1 + 1e-6) for tick in ticks)


def test_steps_keep_a_value_until_the_next():
    assert as_steps([(0, 10), (3, 20)], 5) == [(0, 10), (3, 10), (3, 20), (5, 20)]


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1), finite)
def test_any_name_and_value_give_well_formed_text(name, value):
    drawing = Drawing(10, 10, name)
    drawing.text(0, 0, name)
    root = ElementTree.fromstring(str(drawing.markup()))
    assert (root.get("aria-label") or "").split() == name.split()
    assert root[0].text == name
    row = TableRow(name, "note", (Mark(value, "#123456", value - 1, value + 1),))
    ElementTree.fromstring(str(draw_rows(name, [row], Ruler(value - 1, value + 1, str, "unit", zero=value), bars=True)))


def test_a_long_name_is_cut_where_there_is_no_more_room():
    assert shortened("tenure", 6) == "tenure"
    assert shortened("tenures", 6) == "tenur…"
    assert shortened("料金月額", 6) == "料金…"
