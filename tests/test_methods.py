"""The table of methods: what a name stands for, what it changes, who brings it."""

import subprocess
import sys
import types

import pytest
import tiny

from gmmal_jax import assembly, config as configs, methods, plugins
from gmmal_jax.config import Config
from gmmal_jax.config.presets import preset
from gmmal_jax.errors import UserError
from gmmal_jax.phases import task
from gmmal_jax.strategies import random

CHANGES = {
    "select.subset_size": (300, "a test"),
    "train.learning_rate": (0.5, "a test"),
}


@pytest.fixture
def theirs(monkeypatch):
    """An importable module of another package."""
    module = types.ModuleType("theirs")
    module.learner = lambda network, train: task.make(network, (), train)
    module.strategy = random.make
    module.entry = methods.Entry("ce", "theirs:strategy", "a test", CHANGES)
    module.both = methods.Entry("theirs:learner", "theirs:strategy", "a test")
    module.silent = methods.Entry("ce", "random", " ")
    module.number = 3
    monkeypatch.setitem(sys.modules, "theirs", module)
    return module


def make(**changes):
    return assembly.make(tiny.network(), tiny.config(**changes))


@pytest.mark.parametrize("part", [*methods.LEARNERS.values(),
                                  *methods.STRATEGIES.values()])  # fmt: skip
def test_every_part_exists_and_says_where_it_is_from(part):
    assert callable(plugins.resolve(part.make, "a test"))
    assert part.source.strip()


def test_a_method_without_a_source_cannot_be_written():
    with pytest.raises(TypeError, match="source"):
        methods.Entry("ce", "random")


@pytest.mark.parametrize(
    ("option", "near"),
    [("method", "margin"), ("learn", "reg_da"), ("query", "entropy"),
     ("model", "resnet18")],
)  # fmt: skip
def test_a_mistyped_name_fails_before_jax_and_data_are_imported(option, near):
    code = (
        "import sys\n"
        "from gmmal_jax.cli import main\n"
        "code = main.main(['run', *sys.argv[1:]])\n"
        "found = {'jax', 'numpy', 'sklearn'} & set(sys.modules)\n"
        "assert code == 2 and not found, (code, found)\n"
    )
    args = [sys.executable, "-c", code, f"--{option}", near[:-1]]
    done = subprocess.run(args, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"did you mean {near}?" in done.stderr


def test_a_factory_of_a_module_is_a_part(theirs):
    config = Config(learn="theirs:learner", query="theirs:strategy")
    assert methods.label(config) == "theirs:learner+theirs:strategy"
    made = make(learn="theirs:learner", query="theirs:strategy")
    assert made.strategy.name == "random"


def test_a_method_of_a_module_brings_one_part_or_both(theirs):
    assert methods.resolve(Config(method="theirs:entry")) == ("ce", "theirs:entry")
    assert methods.resolve(Config(method="theirs:both")) == 2 * ("theirs:both",)
    assert methods.resolve(Config(learn="theirs:entry")) == ("ce", "gmm")
    assert methods.label(Config(method="theirs:both")) == "theirs:both"
    assert methods.label(Config(query="theirs:both")) == "reg_da+theirs:both"
    assert make(method="theirs:both").learner.gives == task.GIVES


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "theirs:number"}, "--method theirs:number is no method: 3"),
        ({"method": "theirs:silent"}, "--method theirs:silent has no source"),
        ({"learn": "theirs:number"}, "--learn theirs:number is no such function: 3"),
        ({"query": "builtins:dict"}, "--query builtins:dict is no such function"),
        ({"query": "theirs:silents"}, "has no attribute 'silents'"),
        ({"query": "nowhere:make"}, "No module named 'nowhere'"),
        ({"method": "margn"}, "did you mean margin?"),
    ],
)
def test_what_is_no_method_is_refused_in_a_line(changes, message, theirs):
    with pytest.raises(UserError) as caught:
        methods.resolve(Config(**changes))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_factory_that_makes_another_thing_is_refused(theirs):
    theirs.strategy = lambda: "margin"
    with pytest.raises(UserError, match="let it return .*strategies.base.Strategy"):
        make(method="theirs:entry")


def test_a_factory_names_the_groups_that_it_gets(theirs):
    seen = []
    theirs.strategy = lambda select, *, rate=3: seen.append(select) or random.make()
    config = tiny.config(method="theirs:entry")
    assembly.make(tiny.network(), config)
    assert seen == [config.select]


def test_a_factory_that_wants_something_else_is_refused(theirs):
    theirs.strategy = lambda config: random.make()
    with pytest.raises(UserError, match="nobody gives: 'config'; use data, train, reg"):
        make(method="theirs:entry")


def test_a_query_without_its_columns_is_refused(theirs):
    theirs.strategy = lambda: random.make()._replace(needs=frozenset({"votes"}))
    with pytest.raises(UserError, match="--learn ce does not give votes"):
        make(method="theirs:entry")


def test_infuse_reaches_a_factory_that_takes_it_and_is_refused_elsewhere(theirs):
    seen, plain = [], theirs.learner
    theirs.learner = lambda network, train, infuse: (
        seen.append(infuse) or plain(network, train)
    )
    for infuse in (None, "gmm"):
        make(method="theirs:both", infuse=infuse)
    assert seen == [None, "gmm"]
    with pytest.raises(UserError, match="no discriminator") as caught:
        make(method="random", infuse="gmm")
    assert "\n" not in str(caught.value)


def test_infuse_names_the_arm_and_is_not_the_references():
    config = methods.configure(
        {"dataset": "digits", "method": "margin", "infuse": "gmm"}
    )
    assert methods.label(config) == "margin with gmm"
    assert methods.reference(config).infuse is None


def test_a_query_through_a_head_that_is_not_there_is_refused():
    assert make(method="bald").strategy.needs_head
    headless = tiny.network()._replace(head=None)
    reason = "--query: 'bald'; --learn ce of --model small has no linear classifier"
    with pytest.raises(UserError) as caught:
        assembly.make(headless, tiny.config(method="bald"))
    assert reason in str(caught.value) and "\n" not in str(caught.value)
    assembly.make(headless, tiny.config(method="entropy"))


def test_a_method_changes_settings_and_options_win(theirs):
    config = methods.configure({"dataset": "digits", "method": "theirs:entry"})
    assert config.select.subset_size == 300 and config.train.learning_rate == 0.5
    assert config.budget == 20  # the data set's preset stands
    named = {"dataset": "digits", "method": "theirs:entry"}
    slow = methods.configure(named, ["appendix_rate"])
    assert slow.train.learning_rate == 0.01
    own = methods.configure({**named, "train.learning_rate": 0.2}, ["appendix_rate"])
    assert own.train.learning_rate == 0.2


def test_ours_change_nothing():
    for name in methods.METHODS:
        config = methods.configure({"dataset": "digits", "method": name})
        assert config == configs.replace(preset("digits"), method=name)


def test_the_pair_of_a_method_changes_what_the_method_does(monkeypatch):
    changed = methods.METHODS["margin"]._replace(changes=CHANGES)
    monkeypatch.setitem(methods.METHODS, "margin", changed)
    pair = {"dataset": "digits", "learn": "ce", "query": "margin"}
    assert methods.configure(pair).select.subset_size == 300
    assert methods.configure(pair | {"query": "entropy"}).select.subset_size is None


def test_the_reference_keeps_its_own_settings(theirs, monkeypatch):
    named = {"dataset": "digits", "method": "theirs:entry"}
    plain = methods.reference(methods.configure(named))
    assert plain == configs.replace(preset("digits"), method="random", reference="none")
    asked = methods.reference(methods.configure({**named, "train.learning_rate": 0.2}))
    assert asked.train.learning_rate == 0.2  # a person's own choice holds for both
    changed = methods.METHODS["random"]._replace(changes=CHANGES)
    monkeypatch.setitem(methods.METHODS, "random", changed)
    assert methods.reference(preset("digits")).select.subset_size == 300


def test_another_name_means_the_same():
    for other, name in methods.ALIASES.items():
        assert methods.entry(other) == methods.METHODS[name]
        config = preset("digits")
        renamed = configs.replace(config, method=other)
        assert methods.resolve(renamed) == methods.resolve(
            configs.replace(config, method=name)
        )
        assert methods.label(renamed) == name
    query = configs.replace(preset("digits"), method="random", query="kcenter")
    assert methods.resolve(query) == ("ce", "coreset")


def test_the_authors_protocol_is_a_preset_of_the_method():
    named = {"dataset": "digits", "method": "ll4al"}
    assert methods.configure(named).select.subset_size is None
    official = methods.configure(named, ["official"])
    assert official.select.subset_size == 10_000
    own = methods.configure({**named, "select.subset_size": 300}, ["official"])
    assert own.select.subset_size == 300
    with pytest.raises(UserError, match="official: no protocol of its own: 'margin'"):
        methods.configure({"dataset": "digits", "method": "margin"}, ["official"])


def test_snapshots_own_recipe_is_a_cycle_and_then_averaged_weights():
    official = methods.configure(
        {"dataset": "cifar10", "method": "snapshot"}, ["official"]
    )
    train = official.train
    assert (train.schedule, train.nesterov, train.batch_size) == ("swa", True, 64)
    assert (train.learning_rate, train.weight_decay, train.epochs) == (0.01, 0.01, 200)
    assert official.snapshot.average and official.snapshot.start == 0.5
    usual = methods.configure({"dataset": "cifar10", "method": "snapshot"})
    assert usual.train == preset("cifar10").train and not usual.snapshot.average


def test_cbals_own_recipe_halves_the_rate_twice():
    named = {"dataset": "cifar10", "method": "cbal"}
    train = methods.configure(named, ["official"]).train
    assert (train.schedule, train.nesterov, train.batch_size) == ("step", True, 256)
    assert (train.learning_rate, train.epochs, train.weight_decay) == (0.02, 100, 5e-4)
    assert (train.decay, train.decay_at, train.decays) == (0.5, 0.6, 2)
    assert methods.configure(named).train == preset("cifar10").train


@pytest.mark.parametrize("name", methods.EXTENSIONS)
def test_an_extension_gives_the_columns_that_its_row_names(name):
    part = methods.EXTENSIONS[name]
    made = tiny.made(plugins.resolve(part.make, name), tiny.config())
    assert made.gives == part.gives


@pytest.mark.parametrize(
    "changes, read",
    [
        ({"method": "random"}, set()),
        ({"method": "gmm"}, {"reg", "gmm"}),
        ({"learn": "ce", "query": "gmm"}, {"gmm"}),
        ({"method": "vaal"}, {"vaal"}),
        ({"learn": "reg_da", "query": "ta_vaal"}, {"reg", "gmm", "ta_vaal"}),
    ],
)
def test_a_run_knows_the_groups_that_it_reads(changes, read):
    found = make(**changes).groups
    saved = configs.to_dict(preset("digits"), found)
    assert configs.plain.OF_EVERY_RUN <= saved.keys() and read <= saved.keys()
    unread = {"reg", "vaal", "ta_vaal"} - read
    assert not unread & saved.keys()
    assert configs.from_dict(saved).data == preset("digits").data


def test_a_saved_run_without_stage_2_has_any_chunks():
    plain = methods.configure({"method": "entropy"} | {"da.refit_every": 30,
        "da.steps": 60, "train.chunk_steps": 30})  # fmt: skip
    saved = configs.to_dict(plain, frozenset({"train"}))
    assert "da" not in saved and configs.from_dict(saved).train.chunk_steps == 30
    with pytest.raises(UserError, match="refit-every"):
        configs.from_dict(saved | {"da": {}})
