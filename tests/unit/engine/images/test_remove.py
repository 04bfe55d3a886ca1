import asyncio

import pytest

from sampan.errors import Conflict, InvalidArgument, NotFound
from sampan.oci.digest import sha256_of
from sampan.wire.filters import Filters


def remove(engine, name, **options):
    found = asyncio.run(engine.remover.remove(name, **options))
    return [item.Untagged or item.Deleted for item in found]


def prune(engine, **filters):
    return asyncio.run(engine.pruner.prune(Filters(filters)))


def message(engine, name, **options):
    with pytest.raises(Conflict) as caught:
        remove(engine, name, **options)
    return caught.value.message


def test_one_of_several_names_only_goes_away(engine):
    image = engine.tag(engine.image(("a", 10)), "one", "two:x")
    assert remove(engine, "one") == ["one:latest"]
    assert engine.images.get(image.id)
    assert engine.seen() == [("untag", image.id, image.id)]


def test_the_last_name_takes_the_image_its_layers_and_nameless_parents_with_it(engine):
    base = engine.tag(engine.image(("base", 10)), "base")
    middle = engine.image(("m", 5), parent=base)
    top = engine.tag(engine.image(None, parent=middle), "app")
    chain = chain_of(middle)
    assert remove(engine, "app") == ["app:latest", top.id, middle.id, chain]
    assert [i.id for i in engine.images.list()] == [base.id]
    assert [e[0] for e in engine.seen()] == ["untag", "delete", "delete"]
    assert engine.garbage.collected == 1


def chain_of(image):
    return image.chain_id


def test_no_prune_keeps_the_parents(engine):
    base = engine.image(("base", 10))
    top = engine.tag(engine.image(None, parent=base), "app")
    assert remove(engine, "app", no_prune=True) == ["app:latest", top.id]
    assert engine.images.get(base.id)


def test_by_id_all_names_of_one_repository_go(engine):
    image = engine.tag(engine.image(("a", 1)), "one")
    engine.images.record_digest("docker.io/library/one", sha256_of(b"m"), image.id)
    found = remove(engine, image.id[7:19])
    assert found == ["one:latest", f"one@{sha256_of(b'm')}", image.id, image.chain_id]


def test_by_id_several_repositories_need_force(engine):
    image = engine.tag(engine.image(("a", 1)), "one", "one2")
    short = image.id[7:19]
    assert message(engine, image.id) == (
        f"conflict: unable to delete {short} (must be forced) - "
        "image is referenced in multiple repositories"
    )
    assert remove(engine, short, force=True)[:2] == ["one2:latest", "one:latest"]


def test_a_name_that_a_container_uses_needs_force(engine):
    image = engine.tag(engine.image(("a", 1)), "one")
    engine.users.use(image, "c" * 64)
    assert message(engine, "one") == (
        'conflict: unable to remove repository reference "one" (must force) - container '
        f"cccccccccccc is using its referenced image {image.id[7:19]}"
    )
    assert remove(engine, "one", force=True)[:2] == ["one:latest", image.id]


def test_by_id_a_stopped_container_needs_force(engine):
    image = engine.tag(engine.image(("a", 1)), "one")
    engine.users.use(image, "c" * 64)
    assert message(engine, image.id) == (
        f"conflict: unable to delete {image.id[7:19]} (must be forced) - "
        "image is being used by stopped container cccccccccccc"
    )


@pytest.mark.parametrize("force", [False, True])
def test_by_id_a_running_container_cant_be_forced(engine, force):
    image = engine.tag(engine.image(("a", 1)), "one")
    engine.users.use(image, "c" * 64, running=True)
    assert message(engine, image.id, force=force) == (
        f"conflict: unable to delete {image.id[7:19]} (cannot be forced) - "
        "image is being used by running container cccccccccccc"
    )
    assert engine.images.references(image.id)


def test_forcing_the_name_of_a_running_container_only_takes_the_name(engine):
    image = engine.tag(engine.image(("a", 1)), "one")
    engine.users.use(image, "c" * 64, running=True)
    assert remove(engine, "one", force=True) == ["one:latest"]
    assert engine.images.get(image.id)


@pytest.mark.parametrize("force", [False, True])
def test_images_with_children_stay(engine, force):
    base = engine.image(("a", 1))
    engine.tag(engine.image(None, parent=base), "app")
    assert message(engine, base.id, force=force) == (
        f"conflict: unable to delete {base.id[7:19]} (cannot be forced) - "
        "image has dependent child images"
    )


def test_digests_of_a_repository_go_with_its_last_tag(engine):
    image = engine.tag(engine.image(("a", 1)), "reg.example/x:1", "reg.example/x:2", "other")
    digest = sha256_of(b"m")
    engine.images.record_digest("reg.example/x", digest, image.id)
    assert remove(engine, "reg.example/x:1") == ["reg.example/x:1"]
    assert remove(engine, "reg.example/x:2") == ["reg.example/x:2", f"reg.example/x@{digest}"]
    assert engine.images.get(image.id)


def test_by_digest(engine):
    image = engine.image(("a", 1))
    digest = sha256_of(b"m")
    engine.images.record_digest("reg.example/x", digest, image.id)
    found = remove(engine, f"reg.example/x@{digest}")
    assert found == [f"reg.example/x@{digest}", image.id, image.chain_id]


def test_shared_layers_arent_reported_as_deleted(engine):
    base = engine.tag(engine.image(("a", 1)), "base")
    engine.tag(engine.image(("a", 1), labels={"x": "y"}), "twin")
    assert remove(engine, "base") == ["base:latest", base.id]


def test_unknown_and_malformed_names(engine):
    with pytest.raises(NotFound, match=r"^No such image: nosuch:latest$"):
        remove(engine, "nosuch")
    with pytest.raises(InvalidArgument):
        remove(engine, "BAD")
    with pytest.raises(InvalidArgument, match=r"^image name cannot be blank$"):
        remove(engine, "")


def test_a_name_wins_over_an_id_that_begins_like_it(engine):
    image = engine.image(("a", 1))
    name = image.id[7]
    if not name.isdecimal():
        engine.tag(image, name, "other")
        assert remove(engine, name) == [f"{name}:latest"]


def test_prune_takes_only_nameless_unused_images(engine):
    named = engine.tag(engine.image(("n", 1)), "named")
    dangling = engine.image(("d", 100))
    used = engine.image(("u", 1000))
    engine.users.use(used, "c" * 64)
    found = prune(engine)
    assert [i.Deleted for i in found.ImagesDeleted] == [dangling.id, dangling.chain_id]
    assert found.SpaceReclaimed == 100
    assert {i.id for i in engine.images.list()} == {named.id, used.id}
    assert engine.log.history(0)[-1].attributes == {"reclaimed": "100"}


def test_prune_all_takes_every_image_without_container(engine):
    base = engine.tag(engine.image(("n", 1)), "base")
    app = engine.tag(engine.image(("d", 2), parent=base), "app", "app2")
    found = prune(engine, dangling=("false",))
    assert {i.Untagged for i in found.ImagesDeleted if i.Untagged} == {
        "app:latest",
        "app2:latest",
        "base:latest",
    }
    assert found.SpaceReclaimed == 3
    assert engine.images.list() == []
    assert app.id in {i.Deleted for i in found.ImagesDeleted}


def test_prune_heeds_labels_and_says_nothing_when_there_is_nothing(engine):
    keep = engine.image(("k", 1), labels={"keep": "1"})
    assert prune(engine, **{"label!": ("keep",)}).ImagesDeleted is None
    assert prune(engine, label=("keep=1",)).ImagesDeleted[0].Deleted == keep.id


@pytest.mark.parametrize("filters", [{"nosuch": ("x",)}, {"dangling": ("x",)}, {"until": ("x",)}])
def test_prune_refuses_bad_filters(engine, filters):
    with pytest.raises(InvalidArgument):
        prune(engine, **filters)
