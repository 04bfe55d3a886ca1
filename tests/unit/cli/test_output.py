from sampan.cli.output import align


def test_columns_are_padded_to_ten_and_three_more_than_the_longest():
    text = align([["A", "LONG HEADING X", "C"], ["aaaaaaaaaaaa", "b", "c"]])
    assert text == "A              LONG HEADING X   C\naaaaaaaaaaaa   b                c\n"
    assert align([["A", "B"], ["a", "b"]]) == "A         B\na         b\n"


def test_a_column_ends_where_lines_do_not_have_it():
    assert align([["aaaaaaaaaaaa", "b"], ["single"], ["c", "d"]]) == (
        "aaaaaaaaaaaa   b\nsingle\nc         d\n"
    )
