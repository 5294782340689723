"""One question and its answer, as the settings or the faults of the model have it."""

from tests.calls.scenes.stage import Scene, Stage


async def one_question(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("reception-2")
    await stage.hear_out()


async def a_long_answer(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("reception-1")
    await stage.hear_out()


SCENES = {
    "preview-tool": Scene(play=one_question, service="preview", audio="pcm24k"),
    "semantic-vad": Scene(play=one_question, more="turn_detection: {type: semantic_vad, eagerness: high}"),
    "no-transcription": Scene(play=one_question, more="transcription: off", service="preview"),
    "answer-failed-once": Scene(play=one_question, faults="fail=server_error*1"),
    "answer-withheld": Scene(play=a_long_answer, faults="incomplete=content_filter*2,midway"),
    "odd-chunks": Scene(play=one_question, faults="chunks=1111,late-audio=200", audio="pcm24k"),
}
