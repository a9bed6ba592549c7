import numpy as np
import pytest

from gmmal_jax import bind, config as configs
from gmmal_jax.config import Config
from gmmal_jax.config.presets import preset
from gmmal_jax.data import class_sizes, sources, splits
from gmmal_jax.errors import UserError

SVHN = [4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659]
COUNTS = {
    "cifar10": [5000] * 10,
    "cifar100": [500] * 100,
    "fashion_mnist": [6000] * 10,
    "svhn_cropped": SVHN,
}
TAIL_10 = [5000, 3871, 2997, 2320, 1796, 1391, 1077, 834, 645, 500]


@pytest.fixture(scope="module")
def digits():
    return sources.load("digits")


def labels_only(name, counts=None):
    """A data set of the real class sizes, shuffled, with images of one pixel."""
    counts = COUNTS[name] if counts is None else counts
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    labels = np.random.default_rng(0).permutation(labels)
    images = np.zeros((len(labels), 1, 1, 1), np.uint8)
    test = np.arange(100, dtype=np.int32) % len(counts)
    names = tuple(map(str, range(len(counts))))
    return sources.Dataset(
        name, images, labels, images[:100], test, names, (0.5,), (0.5,), ""
    )


def split_of(dataset, seed=0, **changes):
    config = configs.replace(preset(dataset.name), **changes)
    split = splits.make(bind.wanted_of(config), dataset, seed)
    counts = np.bincount(
        dataset.train_labels[split.pool], minlength=len(dataset.class_names)
    )
    return split, counts.tolist()


def test_digits(digits):
    assert digits.train_images.shape == (1297, 8, 8, 1)
    assert digits.test_images.shape == (500, 8, 8, 1)
    assert digits.train_images.dtype == np.uint8 and digits.train_images.max() == 255
    assert set(digits.train_labels) == set(range(10))
    assert 0 < digits.mean[0] < 1 and 0 < digits.std[0] < 1


def test_initial_depends_on_the_seed_only(digits):
    config = preset("digits")
    first = splits.make(bind.wanted_of(config), digits, 0)
    other = configs.replace(config, method="random", learn="ce", model="resnet18")
    same = splits.make(bind.wanted_of(other), digits, 0)
    np.testing.assert_array_equal(first.initial, same.initial)
    second = splits.make(bind.wanted_of(config), digits, 1)
    assert set(first.initial.tolist()) != set(second.initial.tolist())
    assert len(set(first.initial.tolist())) == 20


@pytest.mark.parametrize(
    "setting", ["balanced", "imbalanced", "long_tailed", "mismatch"]
)
@pytest.mark.parametrize("evaluation", ["test", "validation"])
def test_every_setting_is_drawn_from_the_seed_alone(digits, setting, evaluation):
    first, counts = split_of(digits, setting=setting, eval=evaluation)
    again, _ = split_of(
        digits, setting=setting, eval=evaluation, method="random", model="resnet50"
    )
    np.testing.assert_array_equal(first.pool, again.pool)
    np.testing.assert_array_equal(first.initial, again.initial)
    other, _ = split_of(digits, 1, setting=setting, eval=evaluation)
    assert set(first.pool[first.initial]) != set(other.pool[other.initial])
    assert len(set(first.initial.tolist())) == 20 and first.initial.max() < sum(counts)
    assert np.all(np.diff(first.pool) > 0)
    held_out = set(first.evaluation_rows.tolist())
    if evaluation == "validation":
        assert len(held_out) == 259 and not held_out & set(first.pool.tolist())
    else:
        assert first.evaluation == "test" and len(held_out) == 500


def test_validation_keeps_the_balanced_rest_whole(digits):
    split, _ = split_of(digits, eval="validation")
    assert split.evaluation == "train" and len(split.pool) == 1297 - 259


def test_imbalanced_draws_which_rows_stay(digits):
    one, two = (split_of(digits, seed, setting="imbalanced")[0].pool for seed in (0, 1))
    minor = [set(pool[digits.train_labels[pool] == 0]) for pool in (one, two)]
    major = [set(pool[digits.train_labels[pool] == 1]) for pool in (one, two)]
    assert len(minor[0]) == len(minor[1]) and minor[0] != minor[1]
    assert major[0] == major[1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cifar10", [500, 5000] * 5),
        ("cifar100", [50, 500] * 50),
        ("fashion_mnist", [600, 6000] * 5),
        ("svhn_cropped", [494, 13861, 1058, 8497, 745, 6882, 572, 5595, 504, 4659]),
    ],
)
def test_imbalanced_counts(name, expected):
    _, counts = split_of(labels_only(name), setting="imbalanced")
    assert counts == expected


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("cifar10", 27_500),
        ("cifar100", 27_500),
        ("fashion_mnist", 33_000),
        ("svhn_cropped", 42_867),
    ],
)
def test_imbalanced_totals(name, total):
    split, _ = split_of(labels_only(name), setting="imbalanced")
    assert len(split.pool) == total


@pytest.mark.parametrize(
    ("minor", "expected"),
    [("first_half", [500] * 5 + [5000] * 5), ("second_half", [5000] * 5 + [500] * 5)],
)
def test_the_other_halves(minor, expected):
    changes = {"setting": "imbalanced", "data.imbalance_minor": minor}
    assert split_of(labels_only("cifar10"), **changes)[1] == expected


def test_the_codes_fashion_mnist_is_capped_before_it_is_thinned():
    dataset = labels_only("fashion_mnist")
    config = preset("fashion_mnist", ["paper_code"])
    pool = splits.make(bind.wanted_of(config), dataset, 0).pool
    counts = np.bincount(dataset.train_labels[pool])
    assert counts.tolist() == [500, 5000] * 5
    _, balanced = split_of(dataset, **{"data.class_cap": 5000})
    assert balanced == [5000] * 10


def test_long_tailed_counts():
    _, counts = split_of(labels_only("cifar10"), setting="long_tailed")
    assert counts == TAIL_10 and sum(counts) == 20_431
    dataset = labels_only("cifar100")
    config = {"setting": "long_tailed", "clip_budget": True, "cycles": 9}
    _, counts = split_of(dataset, **config)
    assert counts[:3] == [500, 488, 477] and counts[-1] == 50
    assert sum(counts) == 19_573
    _, counts = split_of(labels_only("fashion_mnist"), setting="long_tailed")
    assert counts[0] == 6000 and counts[-1] == 600


def test_tail_sizes_are_exact():
    """In floating point the sixth is 199."""
    sizes = class_sizes.tail_sizes(6400, 7, 64)
    assert sizes.tolist() == [6400, 3200, 1600, 800, 400, 200, 100]
    assert class_sizes.tail_sizes(50, 1, 10).tolist() == [50]


def test_a_class_smaller_than_its_place_in_the_tail_keeps_all():
    _, counts = split_of(labels_only("svhn_cropped"), setting="long_tailed")
    assert counts[:3] == [4948, 10732, 8309] and counts[-1] == 1386


@pytest.mark.parametrize("setting", ["imbalanced", "long_tailed"])
def test_settings_thin_what_validation_leaves(setting):
    """The ratio is that of the settings, the sizes those of the cut pool."""
    dataset = labels_only("cifar10")
    rest, full = split_of(dataset, eval="validation")
    split, counts = split_of(dataset, eval="validation", setting=setting)
    assert set(split.pool) < set(rest.pool)
    np.testing.assert_array_equal(split.evaluation_rows, rest.evaluation_rows)
    assert len(split.evaluation_rows) == 10_000
    if setting == "imbalanced":
        assert counts == [n // 10 if k % 2 == 0 else n for k, n in enumerate(full)]
    else:
        assert counts[-1] == max(full) // 10 and counts[0] == full[0]


@pytest.mark.parametrize(("name", "known"), [("cifar10", 7), ("cifar100", 70)])
@pytest.mark.parametrize("evaluation", ["test", "validation"])
def test_mismatch_begins_with_the_first_classes(name, known, evaluation):
    dataset = labels_only(name)
    split, counts = split_of(dataset, setting="mismatch", eval=evaluation)
    first = dataset.train_labels[split.pool[split.initial]]
    assert set(first) == set(range(known))
    plain, all_counts = split_of(dataset, eval=evaluation)
    assert counts == all_counts and min(counts) > 0
    np.testing.assert_array_equal(split.pool, plain.pool)
    # Uniform among the known classes' images: a count's standard deviation is < 13.
    shares = np.bincount(first, minlength=known)
    assert np.abs(shares - len(first) / known).max() < 60


def test_mismatch_rounds_the_known_classes_up():
    dataset = labels_only("three", [40, 40, 40])
    changes = {"setting": "mismatch", "initial": 60, "budget": 5}
    split, _ = split_of(dataset, **changes)
    assert set(dataset.train_labels[split.pool[split.initial]]) == {0, 1, 2}
    one, _ = split_of(labels_only("two", [60, 60]), **changes)
    assert len(one.initial) == 60
    dataset = labels_only("eleven", [20] * 11)
    split, _ = split_of(dataset, **changes)
    assert dataset.train_labels[split.pool[split.initial]].max() == 7


def test_mismatch_wants_enough_images_of_the_known_classes():
    dataset = labels_only("ten", [10] * 10)
    changes = {"setting": "mismatch", "initial": 71, "budget": 1, "cycles": 2}
    with pytest.raises(UserError, match="--initial: 71.*first 7 classes have 70 rows"):
        split_of(dataset, **changes)


def test_more_labels_than_the_pool_holds(digits):
    config = configs.replace(preset("digits"), budget=300)
    with pytest.raises(UserError, match="the pool has 1297 rows.*--clip-budget"):
        splits.make(bind.wanted_of(config), digits, 0)


def test_a_clipped_run_ends_before_the_pool_does(digits):
    dataset = labels_only("cifar100")
    config = configs.replace(preset("cifar100"), setting="long_tailed")
    with pytest.raises(UserError, match="20000; the pool has 19573 rows"):
        splits.make(bind.wanted_of(bind.clipped(config, dataset)), dataset, 0)
    clipped = bind.clipped(configs.replace(config, clip_budget=True), dataset)
    assert clipped.cycles == 9 and clipped.labels_wanted() == 18_000
    splits.make(bind.wanted_of(clipped), dataset, 0)
    assert bind.clipped(clipped, dataset) == clipped
    fits = configs.replace(preset("digits"), clip_budget=True)
    assert bind.clipped(fits, digits) == fits


@pytest.mark.parametrize(("rows", "cycles"), [(100, 3), (101, 4), (40, 1), (41, 2)])
def test_a_row_stays_unlabeled_after_the_last_clipped_cycle(rows, cycles):
    dataset = labels_only("two", [rows // 2, rows - rows // 2])
    config = Config(dataset="two", initial=10, budget=30, clip_budget=True)
    clipped = bind.clipped(config, dataset)
    assert clipped.cycles == cycles
    splits.make(bind.wanted_of(clipped), dataset, 0)


def test_a_clipped_run_has_as_many_cycles_as_its_smallest_pool(digits):
    """Class sizes after the validation cut differ from seed to seed."""
    changes = {"setting": "imbalanced", "eval": "validation", "seeds": (0, 1, 2, 3)}
    sizes = [len(split_of(digits, seed, **changes)[0].pool) for seed in range(4)]
    assert len(set(sizes)) > 1
    config = configs.replace(
        preset("digits"), **changes, clip_budget=True, budget=1, cycles=2000
    )
    assert bind.clipped(config, digits).labels_wanted() == min(sizes) - 1


def test_clipping_does_not_help_a_start_that_is_too_large():
    dataset = labels_only("two", [5, 5])
    config = Config(dataset="two", initial=10, budget=1, clip_budget=True)
    with pytest.raises(UserError, match="the pool has 10 rows"):
        splits.make(bind.wanted_of(bind.clipped(config, dataset)), dataset, 0)


def test_a_class_without_images():
    dataset = labels_only("mine", [30, 0, 30])
    with pytest.raises(UserError, match="mine: no image to learn of class: '1'; add"):
        split_of(dataset, initial=5, budget=5)


def test_a_class_that_the_setting_empties():
    dataset = labels_only("mine", [9, 30, 30])
    changes = {"initial": 5, "budget": 5, "cycles": 2}
    for setting in ("imbalanced", "long_tailed"):
        with pytest.raises(UserError, match="imbalance-ratio: 100; lower it: class"):
            split_of(
                dataset, **changes, setting=setting, **{"data.imbalance_ratio": 100}
            )
