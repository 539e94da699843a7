"""What a run that has ended left behind is removed, and nothing of a user's or of another run's."""

from __future__ import annotations

from pathlib import Path

import pytest

from soil_cnn_plugin.contract import jobs
from soil_cnn_plugin.contract.parts import RUN, aside, claim, is_run, new_run, part, remove_parts

USERS = [
    *(
        "z.tif",
        "z.tif.part",
        "z.tif.parts_of_2019.zip",
        "z.tif.part.tif",
        "z.tif.part1.rar",
        "z.tif.old",
        "z.tif.parted",
    ),
    *("z.tif.0000000f", "z.tif.part.aux.xml", "x.z.tif.0000000a.part", "z.tif.soilcnn-run.txt", "z.html"),
]


def test_only_names_that_the_run_made_are_removed(tmp_path: Path) -> None:
    job = jobs.ExplainNetwork("/n", "/p", report=str(tmp_path / "z [1].html"), attribution=str(tmp_path / "z.tif"))
    others = [part("z.tif", "0000000b"), f"{part('z.tif', '0000000b')}.tif", aside("z.tif", "0000000b"), *USERS]
    own = [
        part("z.tif", "0000000a"),
        *(f"{part('z.tif', '0000000a')}{end}" for end in (".tif", ".aux.xml", "-journal")),
    ]
    for name in [*others, *own, part("z [1].html", "0000000a")]:
        (tmp_path / name).write_text(name)
    remove_parts(job, "0000000a")
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(others)
    assert all((tmp_path / name).read_text() == name for name in others)


def test_what_a_run_had_put_aside_comes_back_unless_the_new_file_is_there(tmp_path: Path) -> None:
    job = jobs.TrainNetwork("/p", "/n", report=str(tmp_path / "a.html"), metrics=str(tmp_path / "b.json"))
    Path(aside(job.report)).write_text("old")
    Path(aside(job.metrics)).write_text("old")
    Path(job.metrics).write_text("new")
    remove_parts(job)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"a.html": "old", "b.json": "new"}


@pytest.mark.parametrize(
    ("text", "stays"),
    [(RUN, False), ("0123abcd", True), ("mine", True), ("", True)],
    ids=["own", "another run", "a user", "empty"],  # RUN differs in each process
)
def test_only_a_runs_own_claim_is_removed(tmp_path: Path, text: str, stays: bool) -> None:
    job = jobs.DescribeNetwork("/n", str(tmp_path / "a.html"))
    Path(claim(job.report)).write_text(text)
    remove_parts(job)
    assert Path(claim(job.report)).exists() == stays


def test_each_run_has_names_of_its_own() -> None:
    runs = {new_run() for _ in range(100)}
    assert len(runs) == 100 and all(map(is_run, runs)) and not is_run("../../a") and not is_run("0123ABCD")
    assert len({part("/a.tif", run) for run in runs}) == 100
