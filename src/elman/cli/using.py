"""Commands that use a model: `predict`, `evaluate` and `convert`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from elman.cli.app import Switch, app


@app.command(
    help_epilogue=(
        "Examples:\n\n"
        "    elman predict mood.keras new.csv --out moods.csv\n"
        "    elman predict voices.keras recordings/ --top 3\n"
        "    elman predict heart.keras 208.edf > beats.csv\n"
        "    echo 'so good' | elman predict mood.keras - --json\n"
        "\n"
        "The model's file knows how its data were read and prepared. Of a model without\n"
        "that, DATA is an .npz file: numpy.savez('data.npz', x=x).\n"
    )
)
def predict(
    model: str,
    data: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    out: str | None = None,
    top: int | None = None,
    overwrite: Switch = False,
    json: Switch = False,
) -> None:
    """Ask a model about new data: a line for each row, with how likely each class is.

    Parameters
    ----------
    model
        A .keras file.
    data
        A file or folder as the model was trained on, targets or not; a dash for lines of text from
        standard input.
    out
        A file to write, .csv or .jsonl.
    top
        Only so many classes, the likeliest.
    overwrite
        Replace a file that is there.
    json
        Print one JSON object in each line.
    """
    from elman.learning import asking

    asking.predict(model, data, out=out, top=top, overwrite=overwrite, as_json=json)


@app.command(
    help_epilogue=(
        "Examples:\n\n"
        "    elman evaluate mood.keras test.csv\n"
        "    elman evaluate voices.keras voices          what a bundled dataset holds out\n"
        "    elman evaluate heart.keras records/ --json > scores.json\n"
    )
)
def evaluate(
    model: str,
    data: str,
    /,
    *,
    json: Switch = False,
) -> None:
    """Compare what a model says of new data with what is true: scores, and who is taken for whom.

    Parameters
    ----------
    model
        A .keras file.
    data
        A file or folder as the model was trained on, with targets; or tweets, voices, ecg-beats
        or digits: their held-out rows.
    json
        Print one JSON document.
    """
    from elman.learning import asking

    asking.evaluate(model, data, as_json=json)


@app.command(
    help_epilogue=(
        "Examples:\n\n"
        "    elman convert old.h5 model.keras           from Keras 2, or 3\n"
        "    elman convert model.keras m.weights.h5     the weights alone\n"
    )
)
def convert(
    model: str,
    out: str,
    /,
    *,
    overwrite: Switch = False,
    json: Switch = False,
) -> None:
    """Write a model in another format, and say what that has no room for.

    Parameters
    ----------
    model
        A .keras file, or a whole-model .h5 file of Keras 2 or 3.
    out
        The file to write: .keras for everything, .weights.h5 for the weights.
    overwrite
        Replace a file that is there.
    json
        Print one JSON document.
    """
    from elman.saving.converting import convert as write

    made = write(model, out, overwrite)
    if json:
        from json import dumps

        print(dumps({**made._asdict(), "path": str(made.path)}, ensure_ascii=False, indent=2))
        return
    print(f"Written to {made.path}")
    for what in made.left_out:
        print(f"Left out: {what}.")
    for warning in made.warnings:
        print(f"Note: {warning}")
