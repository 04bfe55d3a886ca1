import pytest

from sampan.errors import InvalidArgument, NotFound
from sampan.oci import image_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.image_config import ImageSpec, RootFS
from sampan.oci.reference import parse_reference

DIGEST = "sha256:" + "d" * 64
LAYER = Descriptor(mediaType="l", digest=DIGEST, size=1)


@pytest.fixture
def add(store):
    def make(comment="", created="2024-01-01T00:00:00Z", **facts):
        spec = ImageSpec(created=created, comment=comment, rootfs=RootFS(diff_ids=(DIGEST,)))
        return store.images.add(image_config.encode(spec), [LAYER], size_bytes=7, **facts)

    return make


def named(text):
    return parse_reference(text)


def test_an_image_is_named_by_its_config(store, add):
    image = add("x")
    assert store.images.get(image.id) == image
    assert image.spec.comment == "x"
    assert image.chain_id == DIGEST
    assert (image.size_bytes, image.layers, image.parent) == (7, (LAYER,), None)
    assert store.content.has(image.id)


def test_adding_again_keeps_times_and_adds_what_is_new(store, add):
    parent = add("parent")
    image = add("x")
    store.images.tag(named("x"), image.id)
    tagged_ns = store.images.get(image.id).tagged_ns
    again = add("x", parent=parent.id, built_here=True)
    assert (again.id, again.parent, again.built_here) == (image.id, parent.id, True)
    assert again.tagged_ns == tagged_ns > 0
    assert add("x").parent == parent.id
    assert [child.id for child in store.images.children(parent.id)] == [image.id]


def test_the_newest_is_listed_first(store, add):
    old = add("old", created="2020-01-01T00:00:00Z")
    new = add("new")
    assert [image.id for image in store.images.list()] == [new.id, old.id]


def test_names_point_to_one_image_at_a_time(store, add):
    one, two = add("1"), add("2")
    assert store.images.tag(named("app"), one.id) is None
    assert store.images.tag(named("app:latest"), one.id) is None
    assert store.images.tag(named("docker.io/library/app"), two.id) == one.id
    assert store.images.references(one.id) == []
    assert [name.familiar for name in store.images.references(two.id)] == ["app:latest"]
    store.images.untag(named("app"))
    store.images.untag(named("app"))
    assert store.images.find(named("app")) is None
    assert store.images.get(two.id)


def test_digests_of_registries_are_names_too(store, add):
    image = add("x")
    store.images.record_digest("docker.io/library/app", DIGEST, image.id)
    assert store.images.digests(image.id) == [f"app@{DIGEST}"]
    assert store.images.resolve(f"app@{DIGEST}").id == image.id
    store.images.untag(named(f"app@{DIGEST}"))
    assert store.images.digests(image.id) == []


def test_an_image_is_found_by_whatever_a_user_may_say(store, add):
    image = add("x")
    store.images.tag(named("reg.example:5000/ns/app:1"), image.id)
    store.images.tag(named("app"), image.id)
    digits = image.id.removeprefix("sha256:")
    for text in (
        "app", "app:latest", "docker.io/library/app", "reg.example:5000/ns/app:1",
        image.id, digits, digits[:12], digits[:3], f"sha256:{digits[:8]}",
    ):  # fmt: skip
        assert store.images.resolve(text).id == image.id


def test_a_name_wins_over_the_beginning_of_an_id(store, add):
    one, two = add("1"), add("2")
    beginning = one.id.removeprefix("sha256:")[:4]
    store.images.tag(named(beginning), two.id)
    assert store.images.resolve(beginning).id == two.id


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nosuch", "nosuch:latest"),
        ("ns/x:1", "ns/x:1"),
        (f"x@{DIGEST}", f"x@{DIGEST}"),
        (DIGEST, DIGEST),
        ("f" * 64, "sha256:" + "f" * 64),
    ],
)
def test_what_is_not_there_is_named_as_docker_names_it(store, text, shown):
    with pytest.raises(NotFound) as caught:
        store.images.resolve(text)
    assert caught.value.message == f"No such image: {shown}"


def test_beginnings_that_fit_two_images_fit_none(store, add):
    for number in range(40):
        add(str(number))
    ids = [image.id.removeprefix("sha256:") for image in store.images.list()]
    doubled = next(text[0] for text in ids if sum(other[0] == text[0] for other in ids) > 1)
    with pytest.raises(NotFound):
        store.images.resolve(doubled)


def test_malformed_names_are_invalid(store):
    with pytest.raises(InvalidArgument, match="invalid reference format"):
        store.images.resolve("a b")


def test_removing_forgets_names_digests_and_parenthood(store, add):
    parent = add("p")
    child = add("c", parent=parent.id)
    store.images.tag(named("p"), parent.id)
    store.images.record_digest("docker.io/library/p", DIGEST, parent.id)
    store.images.remove(parent.id)
    store.images.remove(parent.id)
    assert store.images.find(named("p")) is None
    assert store.images.get(child.id).parent is None
    with pytest.raises(NotFound):
        store.images.tag(named("q"), parent.id)
    assert store.images.find(named("q")) is None


def test_garbage_is_no_config(store):
    with pytest.raises(InvalidArgument):
        store.images.add(b"garbage", [], size_bytes=0)
    assert list(store.content.list()) == []
