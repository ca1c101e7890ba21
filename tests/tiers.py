"""Which tests only ``make test-all`` runs, which stay in one process, and which come first.

Left out are slow ones, most of which a quicker test mostly covers.

``make test`` has to end within 15 minutes on two cores.
"""

from __future__ import annotations

from fnmatch import fnmatch

__all__ = ["LONGEST", "THOROUGH", "is_thorough", "together", "turn"]

THOROUGH = (
    "*/nnunet/test_conversion.py::test_features_and_scores_equal_those_of_torch*",
    "*/nnunet/test_conversion.py::test_a_damaged_conversion_is_made_again*",
    "*/nnunet/test_segmenter.py::test_each_task_labels_the_grid_that_it_was_given*",
    "*/totalsegmentator/test_segmenter.py::test_labels_come_back_on_the_grid_that_was_sent*",
    "*/embedded/recipe/test_training.py::test_a_training_goes_on_and_ships",
    "*/eyes/recipe/test_running.py::*",
    "*/eyes/test_anatomy_recipe.py::test_training_resumes_and_exports",
    "*/store/test_crashes.py::test_killed_before_any_step_a_recovery*",
    "*/catalogue/test_huge_pictures.py::*",
    "*/store/files/test_bucket.py::test_a_server_that_went_away_is_told*",
    "*/jobs/test_kills.py::test_an_end_that_cannot_be_written_yet*",
    "*/jobs/test_stuck.py::test_a_silent_job_is_left_to_a_person*",
    "*/jobs/test_stuck.py::test_a_job_that_always_freezes*",
    "*/browser/test_studio.py::test_a_list_of_jobs_is_chosen_and_filtered",
    "*/browser/test_annotate.py::test_a_part_of_a_large_picture*",
    "*/browser/test_annotate.py::test_tools_states_and_undo_by_key",
    "*/browser/test_annotate.py::test_strokes_faster_than_the_page*",
    "*/browser/test_cells.py::test_a_reload_shows_the_same_boxes*",
    "*/browser/test_spine_page.py::test_a_phone_shows_one_view_at_a_time[[]dark]",
    "*/browser/test_spine_page.py::test_slices_are_leafed*",
    "*/browser/test_spine_page.py::test_window_opacity_and_outline*",
    "*/browser/test_spine_page.py::test_a_model_is_downloaded_from_the_page",
    "*/browser/test_spine_page.py::test_a_click_on_a_row*",
    "*/browser/test_spine_page.py::test_without_webgl_the_server_draws",
    "*/browser/test_eyes_photo.py::test_every_example_leads_to_an_answer*",
    "*/browser/test_eyes_photo.py::test_pictures_can_be_pasted_and_dropped",
    "*/browser/test_eyes_webcam.py::test_boxes_coach_and_progress_are_live",
    "*/ui_gradio/spine/test_runs.py::test_every_file_that_is_offered*",
    "*/ui_gradio/spine/test_end_to_end.py::test_a_dicom_folder_is_detected*",
)

# A process that starts with a long file in the end works alone: these come first, in this order.
LONGEST = (
    "/tests/browser/*",
    "*/engine/spine/*",
    "*/engine/training/*",
    "*/engine/jobs/*",
    "*/engine/store/*",
    "*/ui_gradio/*",
    "*/cli/test_train.py*",
    "*/automask/test_scribbles.py*",
    "*/eyes/*",
)
_BROWSER = "tests/browser/"


def is_thorough(test: str) -> bool:
    """Tell whether the test with this id is left to ``make test-all``."""
    return any(fnmatch(f"/{test}", pattern) for pattern in THOROUGH)


def together(test: str) -> str:
    """Name what runs in one process: a file; all browser tests, which share browser and servers."""
    return _BROWSER if test.startswith(_BROWSER) else test.partition("::")[0]


def turn(test: str) -> int:
    """Return when a test comes: a smaller number earlier; equal ones stay in their order."""
    matching = (at for at, pattern in enumerate(LONGEST) if fnmatch(f"/{test}", pattern))
    return next(matching, len(LONGEST))
