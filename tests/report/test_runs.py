"""A run's folder, read or refused."""

import pytest
from run_cases import compared as compared, write_run

from gmmal_jax import report
from gmmal_jax.errors import UserError


def test_load_run(compared):
    assert compared.label == "gmm" and compared.config["dataset"] == "digits"
    assert [r[:2] for r in compared.records[:3]] == [(0, 0), (0, 1), (1, 0)]
    assert compared.reference.label == "random"
    assert compared.reference.reference is None


def test_errors_of_one_folder(tmp_path):
    with pytest.raises(UserError, match="no such folder.*nowhere"):
        report.load_run(tmp_path / "nowhere")
    with pytest.raises(UserError, match="not a run's folder"):
        report.load_run(tmp_path)
    for foreign in ('{"label": "mine"}', "[]", "3"):
        (tmp_path / "config.json").write_text(foreign)
        with pytest.raises(UserError, match="not a run's folder.*`gmmal run` wrote"):
            report.load_run(tmp_path)
    with pytest.raises(UserError, match="no finished cycle yet.*gmmal resume"):
        report.load_run(write_run(tmp_path / "new", "gmm", {}))
    (tmp_path / "new" / "config.json").write_text("{")
    with pytest.raises(UserError, match="damaged.*config.json"):
        report.load_run(tmp_path / "new")


def test_a_reference_not_yet_begun_is_none(tmp_path):
    folder = write_run(tmp_path / "a", "gmm", {0: [0.5]})
    write_run(folder / "reference", "random", {})
    assert report.load_run(folder).reference is None
