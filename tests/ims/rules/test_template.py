import pytest

from ims.rules.template import MissingVariable, render, variables


@pytest.mark.parametrize(
    ("text", "mapping", "rendered"),
    [
        ("그대로 100%", {}, "그대로 100%"),
        ("#{이름}님 100% #{n}", {"이름": "홍길동", "n": "1"}, "홍길동님 100% 1"),
        ("#{a}", {"a": "50%s"}, "50%s"),
        ("#{a}#{b}#{a}", {"a": "1", "b": "2"}, "121"),
        ("#{a}", {"a": "#{b}", "b": "x"}, "#{b}"),
        ("#{09:50} #{} #{x", {"09:50": "지금"}, "지금 #{} #{x"),
    ],
)
def test_values_are_inserted_once(text: str, mapping: dict[str, str], rendered: str) -> None:
    assert render(text, mapping) == rendered


def test_all_missing_variables_are_named_and_kept_out_of_the_message() -> None:
    with pytest.raises(MissingVariable) as caught:
        render("#{a} #{b} #{c} #{a}", {"b": "1"})
    assert caught.value.names == ("a", "c")
    assert "a" not in str(caught.value).split()


def test_variables_come_in_order_each_once() -> None:
    assert variables("#{b} #{a} #{b}") == ("b", "a")
    assert variables("없음") == ()
