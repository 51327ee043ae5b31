"""What a report says, before anything is drawn."""

import shutil

import numpy as np
import pytest

from mmcli.errors import DamagedRunError

EVERYTHING = [
    *("results", "signs", "graph", "rounds", "confusion", "agreement"),
    *("latent", "pictures", "mistakes", "uncertain", "time"),
]


def names(report):
    return [section.name for section in report.sections]


def test_a_finished_run_has_every_section_and_nothing_to_remark(written):
    report = written.report()

    assert names(report) == EVERYTHING
    assert (report.title, report.subject, report.remarks) == ("run", "a run of mmcli: finished", ())
    assert report.settings["seed"] == "5"
    assert report.settings["items"] == "40"
    assert report.settings["version of mmcli"] == "0.0"
    assert report.config == written.run.config.read_text()


def test_every_figure_has_words(written):
    for panel in written.panels().values():
        assert len(panel.alt) > 30
        assert panel.title
        assert panel.note


def test_the_graph_names_each_message(written):
    alt = written.panels()["graph"].alt

    assert alt == (
        "Graph of 5 modules. Messages go from image to vae (16 points), vae to and from gmm (3 points), "
        "word to mlda (6 counts), gmm to and from mlda (2 categorical)."
    )


def test_measures_over_rounds(written):
    acc = written.panels()["acc"]

    assert [line.label for line in acc.lines] == ["gmm", "mlda"]
    np.testing.assert_array_equal(acc.lines[0].x, [1, 2, 3])
    np.testing.assert_array_equal(acc.lines[0].y, [0.25, 0.5, 0.75])
    assert acc.alt == "ACC over rounds: gmm from 0.250 to 0.750, mlda from 0.250 to 0.750."


def test_measures_by_own_inputs_alone_have_a_line_and_columns_of_their_own(written):
    for module in ("gmm", "mlda"):
        written.update(4, module, own_acc=0.5, own_ari=0.25, own_nmi=0.125)

    assert [line.label for line in written.panels()["acc"].lines] == ["gmm", "gmm, own inputs", "mlda"]
    (results,) = written.section("results").tables
    assert results.header[3:9] == ("ACC", "ARI", "NMI", "own ACC", "own ARI", "own NMI")
    assert results.rows[1][3:9] == ("1.000", "1.000", "1.000", "0.500", "0.250", "0.125")
    assert results.rows[2][3:9] == ("1.000", "1.000", "1.000", "", "", "")  # it has no child


def test_a_negative_ari_is_inside_its_axis(written):
    written.update(4, "gmm", ari=-0.1)

    assert written.panels()["ari"].bounds == (-0.1, 1.0)


def test_each_module_has_a_bound_and_a_trace_and_a_loss_if_it_learns_by_one(written):
    panels = written.panels()

    np.testing.assert_array_equal(panels["bound-vae"].lines[0].y, [-100, -50, -100 / 3])
    np.testing.assert_allclose(panels["loss-vae"].lines[0].y, [100 / 40, 50 / 40, 100 / 3 / 40])
    assert panels["loss-vae"].alt == "Loss of vae over rounds, in nats an item: from 2.5 to 0.8333."
    assert not {"loss-gmm", "loss-mlda"} & panels.keys()
    np.testing.assert_array_equal(panels["trace-vae"].lines[0].y, [9, 8])
    assert panels["trace-vae"].title == "vae: loss in the last update"
    assert panels["trace-mlda"].title == "mlda: evidence lower bound in the last update"


def test_tables_hold_every_update_and_the_last_of_each_module(written):
    (results,), (every,) = written.section("results").tables, written.section("rounds").tables

    assert [row[:4] for row in results.rows] == [
        ("vae", "vae", "3", ""),
        ("gmm", "gmm", "3", "0.750"),
        ("mlda", "mlda", "3", "0.750"),
    ]
    assert [row[:2] for row in every.rows] == [(number, name) for number in "123" for name in ("vae", "gmm", "mlda")]


def test_time_is_added_up(written):
    bars = written.panels()["time"]

    np.testing.assert_array_equal(bars.learning, [4.5, 4.5, 4.5])
    np.testing.assert_array_equal(bars.compiling, [1.5, 1.5, 1.5])


def test_confusion(written):
    panel = written.panels()["confusion-gmm"]

    np.testing.assert_array_equal(panel.counts, [[18, 2], [2, 18]])
    assert (panel.rows, panel.columns) == (("0", "1"), ("0", "1"))


def test_agreement_of_two_modules(written):
    (table,) = written.section("agreement").tables
    panel = written.panels()["agreement-gmm-mlda"]

    shared = np.mean(written.found["gmm"] == written.found["mlda"])
    assert table.rows[0][:3] == ("gmm", "mlda", f"{shared:.3f}")
    assert panel.counts.trace() == 40 * shared


def test_agreement_keeps_the_names_of_classes_that_are_called_otherwise(written):
    written.forget_labels()
    written.run.write_arrays("module003_gmm", {"class": 1 - written.found["mlda"]}, "learn")

    panel = written.panels()["agreement-gmm-mlda"]

    assert (panel.rows, panel.columns) == (("1", "0"), ("0", "1"))
    assert panel.counts[0, 1] == panel.counts[1, 0] == 0


def test_the_latent_space_of_the_first_and_the_last_round(written):
    panels = {name: panel for name, panel in written.panels().items() if name.startswith("latent")}

    assert list(panels) == [
        f"latent-vae-round{number}-{by}" for by in ("class-of-gmm", "class-of-mlda", "label-kinds") for number in (1, 3)
    ]
    first, last = panels["latent-vae-round1-class-of-gmm"], panels["latent-vae-round3-class-of-gmm"]
    np.testing.assert_array_equal(first.groups, 1 - written.labels)
    np.testing.assert_array_equal(last.groups, written.found["gmm"])
    np.testing.assert_allclose(first.points * 2, last.points, atol=1e-6)  # half the distances, the same directions
    assert abs(last.points.mean()) < 1e-9
    assert last.points[:, 0].var() > last.points[:, 1].var()


def test_a_run_that_did_not_keep_its_first_round_says_so(written):
    (written.run.path / "module002_vae" / "z_first.txt").unlink()

    section = written.section("latent")

    assert section.notes == ("Round 1 of vae is not shown: this run did not keep it.",)
    assert all("round 3" in panel.title for panel in section.panels)


def test_a_latent_space_of_one_dimension_is_drawn_along_the_items(written):
    z = np.linspace(0, 1, 40).reshape(-1, 1)
    written.run.write_arrays("module002_vae", {"z": z}, "learn")

    panel = written.panels()["latent-vae-round3-label-kinds"]

    np.testing.assert_allclose(panel.points, np.column_stack([z[:, 0], np.arange(40)]))
    assert (panel.x_label, panel.y_label) == ("latent", "item")


def test_reconstructions_take_items_of_each_label_in_turn(written):
    strips = written.panels()["rebuilt-vae"].strips

    assert [strip.heading for strip in strips] == ["observed", "reconstructed"] * 2
    expected = written.images[[0, 20, 1, 21, 2, 22, 3, 23, 4, 24]].reshape(-1, 4, 4)
    np.testing.assert_array_equal(strips[0].pictures, expected)
    np.testing.assert_allclose(strips[1].pictures, expected / 2, rtol=1e-6)


def test_prototypes_are_means(written):
    observed, rebuilt = written.panels()["prototypes-image-mlda"].strips

    for place, number in enumerate((0, 1)):
        mean = written.images[written.found["mlda"] == number].mean(axis=0).reshape(4, 4)
        np.testing.assert_allclose(observed.pictures[place], mean, rtol=1e-5)
        np.testing.assert_allclose(rebuilt.pictures[place], mean / 2, rtol=1e-5)
    assert rebuilt.captions == ("0", "1")


def test_the_most_frequent_mistakes_come_first(written):
    section = written.section("mistakes")

    assert section.tables[0].rows == [("gmm", "0", "1", "2"), ("gmm", "1", "0", "2"), ("mlda", "1", "0", "3")]
    (strip,) = written.panels()["mistakes-image-mlda"].strips
    assert strip.heading == "class 1, label 0: 3 items"
    np.testing.assert_array_equal(strip.pictures, written.images[:3].reshape(-1, 4, 4))


def test_no_mistakes(written):
    for folder in ("module003_gmm", "module004_mlda"):
        written.run.write_arrays(folder, {"class": written.labels}, "learn")

    section = written.section("mistakes")

    assert section.notes == ("gmm confuses nothing.", "mlda confuses nothing.")
    assert (section.panels, section.tables) == ((), ())


def test_the_least_certain_items_come_first(written):
    panel = written.panels()["uncertain-image-mlda"]

    np.testing.assert_array_equal(panel.strips[0].pictures, written.images[:10].reshape(-1, 4, 4))
    assert panel.strips[0].captions[:4] == ("1 (0)", "1 (0)", "1 (0)", "0 (0)")
    assert panel.note.startswith("Entropy 0.69 to ")


def test_observations_that_are_no_square_are_no_pictures(written):
    assert not any("word" in name for name in written.panels())


def test_without_labels(written):
    written.forget_labels()

    report, panels = written.report(), written.panels()

    assert names(report) == [name for name in EVERYTHING if name not in ("confusion", "mistakes")]
    assert not {"acc", "ari", "nmi"} & panels.keys()
    assert not any("label" in name for name in panels)
    assert panels["uncertain-image-mlda"].strips[0].captions[:4] == ("1", "1", "1", "0")


def test_without_the_data(written):
    report, panels = written.report(with_data=False), written.panels(with_data=False)

    assert report.remarks == ("The data are unavailable, so pictures and labels are left out: gone",)
    assert names(report) == [
        name for name in EVERYTHING if name not in ("confusion", "mistakes", "pictures", "uncertain")
    ]
    assert "acc" in panels  # measured while the run went on
    assert "vae to and from gmm (points)" in panels["graph"].alt


def test_a_run_before_its_first_update(written):
    written.forget_updates()
    written.set_meta(status="running")

    report = written.report()

    assert names(report) == ["graph"]
    assert report.remarks[0].startswith("This run has not finished (no update is done yet), or it was killed. ")


def test_a_run_within_its_first_round(written):
    history = written.run.path / "history.jsonl"
    history.write_text("".join(history.read_text().splitlines(keepends=True)[:2]))
    shutil.rmtree(written.run.path / "module004_mlda")
    written.set_meta(status="running")

    report, panels = written.report(), written.panels()

    assert "(round 1 of 3)" in report.remarks[0]
    assert "agreement" not in names(report)
    assert [name for name in panels if name.startswith("latent")] == [
        "latent-vae-round1-class-of-gmm",
        "latent-vae-round1-label-kinds",
    ]


def test_a_run_that_was_stopped(written):
    written.set_meta(status="stopped")

    assert written.report().remarks == (
        "This run was stopped (round 3 of 3); --resume continues it. The page shows its results so far.",
    )


def test_a_run_that_failed(written):
    written.set_meta(status="failed", error="gmm: NaN")

    assert written.report().remarks == ("This run failed (gmm: NaN); round 3 of 3. The page shows its results so far.",)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("history.jsonl", "mud\n", "history.jsonl: damaged run: Expecting value"),
        ("history.jsonl", "[]\n", "history.jsonl: damaged run: a line without round, module, acc"),
        ("module003_gmm/class_learn.txt", None, "module003_gmm: damaged run: no class_learn.txt"),
        ("module003_gmm/class_learn.txt", "1\n2\n", "module003_gmm: damaged run: 2 rows of class_learn where there"),
        ("module003_gmm/class_learn.txt", "0.5\n" * 40, "class_learn.txt: damaged run: not one whole number a line"),
        ("module003_gmm/class_learn.txt", "", "class_learn.txt: damaged run: empty"),
        ("module003_gmm/Pdz_learn.txt", "1 mud\n" * 40, "Pdz_learn.txt: damaged run: could not convert"),
        ("module002_vae/z_learn.txt", "1 nan\n" * 40, "z_learn.txt: damaged run: not finite numbers on 2 axes"),
    ],
)
def test_a_damaged_run(written, name, content, reason):
    path = written.run.path / name
    path.unlink() if content is None else path.write_text(content)

    with pytest.raises(DamagedRunError) as error:
        written.report()

    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_history_of_another_graph_is_damage(written):
    written.update(4, "hmm")

    with pytest.raises(DamagedRunError, match=r"history\.jsonl: damaged run: no module hmm in this run"):
        written.report()


def test_signs_of_a_bad_run(written):
    assert written.section("signs").notes == ("None was found. No label takes part in this.",)

    written.update(4, "gmm", moved=0.5)
    assert written.section("signs").notes == (
        "gmm: 50% of the items changed class in its last update; try more rounds",
    )
