import pytest

from sampan.engine.containers.names import InvalidName, check_name, random_name


@pytest.mark.parametrize("name", ["ab", "a_b.c-d", "/ab", "9x"])
def test_names_of_dockers_kind_pass(name):
    assert check_name(name) == name.removeprefix("/")


@pytest.mark.parametrize("name", ["a", "_bad", "a/b", "-x", "", "a b"])
def test_others_are_refused(name):
    with pytest.raises(InvalidName, match="only \\[a-zA-Z0-9\\]"):
        check_name(name)


def test_random_names_are_an_adjective_and_a_surname():
    first, _, second = random_name(lambda _: False).partition("_")
    assert first.isalpha()
    assert second.isalpha()


def test_a_free_name_is_found_even_when_all_are_taken():
    tried = []

    def taken(name):
        tried.append(name)
        return True

    assert random_name(taken) not in tried
