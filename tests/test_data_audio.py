"""Sound: from files to features, and what is said of files that cannot be used."""

from __future__ import annotations

import dataclasses
import json
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

import elman
from elman.data import acoustics, datasets
from elman.data.hearing import Hearing
from elman.data.preparing import Preparation
from elman.data.resampling import resample
from elman.data.sound_files import read_sound
from elman.errors import (
    DataError,
    FileError,
    MissingPackageError,
    OptionError,
    UnknownNameError,
)

BUNDLED = datasets.FOLDER / "wav"
RATE = 8000
#: What belongs to `Hearing` whatever is heard.
SETTINGS = {"rate": RATE, "slice": 0.025, "hop": 0.025, "bands": 20, "coefficients": 5}


def tone(hertz: float, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def write_wav(
    path: Path, samples: np.ndarray, rate: int = RATE, width: int = 2, channels: int = 1
) -> Path:
    """A WAV file of whole numbers, by Python's own module."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = np.round(samples * (2 ** (8 * width - 1) - 1)).astype("<i8")
    if width == 1:
        whole += 128
    content = whole.reshape(-1, 1).view(np.uint8)[:, :width].tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(content)
    return path


# -- features ------------------------------------------------------------------------------------


def test_the_bundled_recordings_have_the_features_of_the_bundled_voices() -> None:
    # Measured by others from the same recordings, stored as whole Hz, tenths of a dB, 1/1000.
    with np.load(datasets.path("voices3.npz")) as stored:
        language = [list(datasets.LANGUAGES)[number] for number in stored["y"]]
        prompt = [str(name).rsplit("/")[-1] for name in stored["prompt"]]
        measured = np.split(stored["x"], np.cumsum(stored["len"])[:-1])
    of = dict(zip(zip(language, prompt, strict=True), measured, strict=True))
    data = elman.data.audio(BUNDLED, trim=-50)
    assert len(data) == 10 and data.names == ("it", "ru")
    for row, id in enumerate(data.ids):
        path = Path(str(id))
        expected = of[path.parent.name, path.stem]
        found = data[row][: len(expected)] * [1, 10, 1000]
        assert found.shape == expected.shape
        off = np.abs(found - expected)
        # two frequencies may be equally loud but for the last digits
        assert np.mean(off[:, 0] > 1) < 0.02
        assert off[:, 1].max() < 0.51 and off[:, 2].max() < 0.01


@pytest.mark.parametrize("hertz", [200, 440, 1000, 3000])
def test_a_sine_has_its_frequency_its_level_and_two_crossings_per_period(hertz: int) -> None:
    cut = acoustics.slices(tone(hertz), 200, 200)
    frequency, level, crossings = acoustics.basic(cut, RATE).T
    assert cut.shape == (20, 200)
    np.testing.assert_allclose(frequency, hertz, atol=RATE / 200 / 2)
    np.testing.assert_allclose(level, 10 * np.log10(0.5), atol=0.05)
    np.testing.assert_allclose(crossings, 2 * hertz / RATE, atol=2.01 / 200)


def test_silence_has_the_lowest_level_and_no_crossings() -> None:
    assert acoustics.basic(np.zeros((1, 200)), RATE).tolist() == [[0, -100, 0]]
    assert (acoustics.log_mel(np.zeros((1, 200)), RATE, 20) == -100).all()


def test_mel_filters_are_triangles_between_evenly_spaced_corners() -> None:
    # By hand, for two bands at 1,400 Hz: the top, 700 Hz, has mel 2595 log10(2), so the corners
    # are at 700 (2^(i/3) - 1) Hz. A spectrum of 14 samples has a point at every 100 Hz.
    filters = acoustics.mel_filters(2, 14, 1400)
    corners = [700 * (2 ** (i / 3) - 1) for i in range(4)]  # 0, 181.9, 411.2, 700
    assert filters.shape == (2, 8)
    np.testing.assert_allclose(filters[0, 1], 100 / corners[1])
    np.testing.assert_allclose(filters[0, 2], (corners[2] - 200) / (corners[2] - corners[1]))
    np.testing.assert_allclose(filters[1, 3], (300 - corners[1]) / (corners[2] - corners[1]))
    np.testing.assert_allclose(filters[1, 6], (700 - 600) / (700 - corners[2]))
    assert filters[0, 0] == filters[1, 1] == filters[0, 5] == filters[1, 7] == 0


def test_the_log_mel_of_a_click_is_the_area_of_each_triangle() -> None:
    # One sample at the middle of the window, where it is 1: a flat spectrum of power 0.25.
    click = np.zeros((1, 200))
    click[0, 100] = 0.5
    area = acoustics.mel_filters(20, 256, RATE).sum(1)
    np.testing.assert_allclose(
        acoustics.log_mel(click, RATE, 20)[0], 10 * np.log10(0.25 * area), rtol=1e-5
    )


def test_the_cosine_transform_keeps_lengths_and_angles() -> None:
    whole = acoustics.cosines(13, 13)
    np.testing.assert_allclose(whole @ whole.T, np.eye(13), atol=1e-6)
    np.testing.assert_allclose(whole[0], 13**-0.5, rtol=1e-6)


def test_mfcc_are_the_first_coefficients_of_the_log_mel() -> None:
    cut = acoustics.slices(tone(440) * np.linspace(0, 1, 4000), 200, 80)
    bands, few = acoustics.log_mel(cut, RATE, 20), acoustics.mfcc(cut, RATE, 20, 20)
    np.testing.assert_allclose(few @ acoustics.cosines(20, 20), bands, atol=1e-3)
    np.testing.assert_array_equal(acoustics.mfcc(cut, RATE, 20, 5), few[:, :5])


@pytest.mark.parametrize("features", list(acoustics.FEATURES))
def test_every_set_of_features_has_names_and_units(features: str) -> None:
    hearing = Hearing(features, **SETTINGS)
    width = hearing.heard(tone(440)).shape[1]
    assert len(hearing.feature_names) == len(hearing.units) == width
    assert Hearing.from_dict({**hearing.to_dict(), "target": "word"}) == hearing


def test_quiet_ends_are_trimmed_and_a_quiet_middle_is_not() -> None:
    loud, quiet = tone(440, 0.1), tone(440, 0.1) * 1e-4
    samples = np.concatenate([quiet, loud, quiet, loud, quiet, quiet])
    found = Hearing("basic", **SETTINGS, trim=-50.0).heard(samples)
    level = found[:, 1]
    assert len(level) == 12 and level[0] > -50 < level[-1] and (level < -50).sum() == 4


# -- resampling ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "to"), [(44100, 16000), (16000, 8000), (8000, 11025), (360, 120), (128, 360.5)]
)
def test_a_resampled_sine_is_the_sine_of_the_other_rate(rate: float, to: float) -> None:
    hertz = 0.3 * min(rate, to)
    times = np.arange(3000) / rate
    found = resample(np.sin(2 * np.pi * hertz * times), rate, to)
    assert len(found) == int(np.ceil(3000 * to / rate))
    expected = np.sin(2 * np.pi * hertz * np.arange(len(found)) / to)
    inner = slice(len(found) // 8, -len(found) // 8)
    np.testing.assert_allclose(found[inner], expected[inner], atol=1e-3)


def test_nine_tenths_of_the_band_stay_and_what_would_fold_back_goes() -> None:
    def gain(hertz: float) -> float:
        return float(resample(tone(hertz, 1, 44100), 44100, 16000)[300:-300].std() * 2**0.5)

    assert abs(20 * np.log10(gain(7200))) < 0.01
    assert 20 * np.log10(max(gain(hertz) for hertz in (8001, 8500, 12000, 20000))) < -75


@pytest.mark.parametrize("length", [0, 1, 2, 7])
def test_a_constant_stays_what_it_is_however_short(length: int) -> None:
    found = resample(np.full((length, 2), 3.25), 250, 360)
    assert found.shape == (int(np.ceil(length * 1.44)), 2)
    np.testing.assert_allclose(found, 3.25)


def test_missing_samples_stay_missing_and_nothing_else_does() -> None:
    signal = np.stack([np.sin(np.arange(600) / 20), np.cos(np.arange(600) / 20)], axis=1)
    holes = signal.copy()
    holes[300:330, 0] = np.nan
    found, whole = resample(holes, 360, 120), resample(signal, 360, 120)
    missing = np.flatnonzero(np.isnan(found[:, 0]))
    assert missing.tolist() == list(range(100, 110)) and not np.isnan(found[:, 1]).any()
    np.testing.assert_array_equal(found[:, 1], whole[:, 1])
    np.testing.assert_allclose(found[:60, 0], whole[:60, 0], atol=1e-2)


@pytest.mark.parametrize(("rate", "to"), [(0, 8000), (8000, -1), (8000, float("nan"))])
def test_rates_that_are_none_are_refused(rate: float, to: float) -> None:
    with pytest.raises(OptionError, match="rates above 0 Hz"):
        resample(np.zeros(10), rate, to)


# -- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_wav_of_every_width_is_read_without_soundfile(
    width: int, channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    samples = np.repeat(tone(440)[:, None], channels, axis=1) * 0.5
    found = read_sound(write_wav(tmp_path / "a.wav", samples, width=width, channels=channels))
    assert (found.rate, found.channels) == (RATE, channels)
    np.testing.assert_allclose(found.samples, samples[:, 0], atol=2.0 ** (2 - 8 * width))


@pytest.mark.parametrize(
    ("ending", "subtype"),
    [
        ("wav", "FLOAT"),
        ("wav", "PCM_24"),
        ("flac", "PCM_16"),
        ("flac", "PCM_24"),
        ("ogg", "VORBIS"),
    ],
)
def test_other_formats_are_read_by_soundfile(ending: str, subtype: str, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    samples = tone(440) * 0.5
    soundfile.write(tmp_path / f"a.{ending}", samples, RATE, subtype=subtype)
    found = read_sound(tmp_path / f"a.{ending}")
    assert found.rate == RATE
    atol = 0.05 if ending == "ogg" else 1e-4
    np.testing.assert_allclose(found.samples, samples, atol=atol)


def test_a_missing_soundfile_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.flac").write_bytes(b"fLaC")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingPackageError, match=r'a\.flac.*elman\[audio\]"'):
        read_sound(tmp_path / "a.flac")


def test_a_file_without_samples_is_named(tmp_path: Path) -> None:
    write_wav(tmp_path / "none.wav", np.zeros(0))
    with pytest.raises(DataError, match=r"samples in .*none\.wav, got none"):
        elman.data.audio([tmp_path / "none.wav"])


def test_a_wav_cut_short_is_named_with_both_lengths(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "cut.wav", tone(440))
    path.write_bytes(path.read_bytes()[:-1001])
    with pytest.raises(FileError, match=r"4,000 samples in .*cut\.wav.*got 3,499"):
        read_sound(path)


def test_a_wav_written_into_a_pipe_does_not_know_its_length_and_is_read(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "pipe.wav", tone(440))
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert len(read_sound(path).samples) == 4000


@pytest.mark.parametrize("ending", ["flac", "ogg", "wav"])
def test_a_file_that_is_no_sound_is_named(ending: str, tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    path = tmp_path / f"letter.{ending}"
    path.write_text("Dear listener, this is a letter.\n" * 20)
    with pytest.raises(FileError, match=rf"letter\.{ending}, which cannot be read"):
        read_sound(path)


def test_a_flac_cut_short_is_named(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.random.default_rng(1).uniform(-1, 1, RATE), RATE)
    path.write_bytes(path.read_bytes()[:6000])
    with pytest.raises(FileError, match=r"cut\.flac.*cut short"):
        read_sound(path)


def test_samples_that_are_no_numbers_are_named_with_their_time(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    samples = tone(440)
    samples[2000] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(DataError, match=r"nan\.wav, got 1 that are not, the first at 0\.250 s"):
        read_sound(tmp_path / "nan.wav")


def test_of_eight_channels_one_must_be_named(tmp_path: Path) -> None:
    many = tone(440)[:, None] * np.arange(8) / 8
    path = write_wav(tmp_path / "eight.wav", many, channels=8)
    with pytest.raises(DataError, match=r"eight\.wav, got 8.*`channel=0` to `channel=7`"):
        read_sound(path)
    np.testing.assert_allclose(read_sound(path, channel=4).samples, many[:, 4], atol=1e-4)
    with pytest.raises(OptionError, match="0 to 7"):
        read_sound(path, channel=8)


def test_two_channels_are_averaged_and_it_is_said(tmp_path: Path) -> None:
    both = np.stack([tone(440), np.zeros(4000)], axis=1)
    path = write_wav(tmp_path / "two.wav", both, channels=2)
    data = elman.data.audio(path)
    assert "1 of two channels, averaged" in data.about
    alone = elman.data.audio(write_wav(tmp_path / "one.wav", tone(440) / 2))
    np.testing.assert_allclose(data[0], alone[0], atol=0.01)


# -- many files ----------------------------------------------------------------------------------


def test_folders_are_classes_and_clips_keep_their_own_lengths(tmp_path: Path) -> None:
    for number, (name, hertz) in enumerate([("low", 300), ("low", 320), ("high", 2000)]):
        write_wav(tmp_path / name / f"{number}.wav", tone(hertz, 0.2 + 0.1 * number))
    write_wav(tmp_path / "low" / "._0.wav", np.zeros(0))  # what macOS leaves beside each file
    data = elman.data.audio(tmp_path)
    assert data.names == ("high", "low") and data.targets.tolist() == [0, 1, 1]
    assert data.lengths.tolist() == [16, 8, 12]
    assert (data.step, data.rate, data.kind) == (0.025, RATE, "sound")
    assert Path(str(data.ids[0])).name == "2.wav"


def test_a_folder_with_one_class_alone_teaches_nothing(tmp_path: Path) -> None:
    write_wav(tmp_path / "yes" / "1.wav", tone(440))
    with pytest.raises(DataError, match="at least two classes in the folders of"):
        elman.data.audio(tmp_path)


def test_a_folder_of_files_has_no_targets_and_a_list_may_have_some(tmp_path: Path) -> None:
    paths = [write_wav(tmp_path / f"{n}.wav", tone(440)) for n in range(3)]
    assert elman.data.audio(tmp_path).targets is None
    data = elman.data.audio(paths, [0.5, 1.5, 2.5], group=["a", "a", "b"])
    assert data.targets.tolist() == [0.5, 1.5, 2.5] and data.groups.tolist() == ["a", "a", "b"]
    with pytest.raises(DataError, match="one label for each of 3 files, got 2"):
        elman.data.audio(paths, [1, 2])


def test_a_table_names_files_beside_it_with_targets_and_groups(tmp_path: Path) -> None:
    rows = ["file,word,speaker"]
    for number, word in enumerate(["yes", "no", "yes"]):
        write_wav(tmp_path / "clips" / f"{number}.wav", tone(440))
        rows.append(f"clips/{number}.wav,{word},s{number}")
    (tmp_path / "list.csv").write_text("\n".join(rows))
    data = elman.data.audio(tmp_path / "list.csv", target="word", group="speaker")
    assert data.names == ("no", "yes") and data.targets.tolist() == [1, 0, 1]
    assert data.groups.tolist() == ["s0", "s1", "s2"]
    (tmp_path / "new.csv").write_text("file\nclips/2.wav")
    new = elman.data.audio(tmp_path / "new.csv", prepared=Preparation.learn(data))
    assert len(new) == 1 and new.targets is None
    frame = {"path": [str(tmp_path / "clips" / "0.wav")], "seconds": [0.5]}
    assert len(elman.data.audio(frame)) == 1
    with pytest.raises(DataError, match=r"got none among path\. Name it with `column`"):
        elman.data.audio({"path": ["a.txt"]})


def test_a_speaker_in_the_files_name_is_never_in_both_parts(tmp_path: Path) -> None:
    for speaker in ("ada", "bob", "cy"):
        for word in ("yes", "no"):
            write_wav(tmp_path / word / f"1_{speaker}_3.wav", tone(440))
    data = elman.data.audio(tmp_path, group=r"_([a-z]+)_")
    train, held_out = data.split(0.34)
    assert set(data.groups) == {"ada", "bob", "cy"} and len(held_out) == 2
    assert not set(train.groups) & set(held_out.groups)
    with pytest.raises(DataError, match=r"got nothing in .*1_ada_3\.wav"):
        elman.data.audio(tmp_path, group="speaker")


def test_mixed_rates_are_refused_by_name_and_one_rate_brings_them_together(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone(440, 0.5, 16000), 16000)
    write_wav(tmp_path / "b.wav", tone(440, 0.5, 8000), 8000)
    with pytest.raises(DataError, match=r"16,000 Hz in .*a\.wav and 8,000 Hz in .*`rate=8000`"):
        elman.data.audio(tmp_path)
    data = elman.data.audio(tmp_path, rate=8000)
    np.testing.assert_allclose(data[0][1:-1], data[1][1:-1], atol=0.02)
    with pytest.raises(DataError, match=r"16,000 .* got 8,000 in .*b\.wav: nothing above 4000 Hz"):
        elman.data.audio(tmp_path, rate=16000)


def test_a_clip_shorter_than_a_slice_is_named(tmp_path: Path) -> None:
    write_wav(tmp_path / "click.wav", np.ones(100))
    with pytest.raises(DataError, match=r"slice of 0\.025 s in .*click\.wav, got 0\.013 s"):
        elman.data.audio(tmp_path)
    assert elman.data.audio(tmp_path, slice=0.01).lengths.tolist() == [1]


def test_a_folder_without_sound_and_a_path_that_is_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("no sound here")
    with pytest.raises(DataError, match=r"files ending in \.wav"):
        elman.data.audio(tmp_path)
    with pytest.raises(FileError, match=r"gone\.wav\. Check the path"):
        elman.data.audio(tmp_path / "gone.wav")


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"features": "mfc"}, UnknownNameError, "Did you mean 'mfcc'"),
        ({"slice": 5}, DataError, "shorter slices"),
        ({"slice": 25}, OptionError, "Are slices in seconds"),
        ({"slice": 0}, OptionError, "`slice` above 0"),
        ({"hop": 1e-9}, OptionError, "Are they in seconds"),
        ({"features": "mfcc", "coefficients": 41}, OptionError, "1 to 40 coefficients"),
        ({"features": "log_mel", "bands": 150}, OptionError, "Take fewer bands"),
    ],
)
def test_options_that_cannot_be_are_refused(
    options: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        elman.data.audio(BUNDLED, **options)


@pytest.mark.parametrize("features", ["basic", "mfcc"])
def test_new_recordings_are_prepared_as_the_models_were(features: str) -> None:
    data = elman.data.audio(BUNDLED, features=features, trim=-50, longest=1, slice=0.05)
    learned = Preparation.learn(data)
    again = Preparation.from_dict(json.loads(json.dumps(learned.to_dict())))
    assert again == learned
    new = elman.data.audio(BUNDLED / "ru" / "h-17.wav", prepared=again)
    row = [str(path).endswith("h-17.wav") for path in data.ids].index(True)
    np.testing.assert_array_equal(new[0], learned(data)[row])
    assert new.targets is None and new.names == ("it", "ru")


@pytest.mark.parametrize(
    "wrong", [{"bands": 10**6}, {"rate": 10**7}, {"features": 5}, {"slice": "long"}, {"hop": None}]
)
def test_a_recipe_from_a_file_is_not_believed(wrong: dict[str, object]) -> None:
    made = elman.data.audio(BUNDLED / "it", features="log_mel").prepared
    made = dataclasses.replace(made, columns=tuple({**dict(made.columns), **wrong}.items()))
    with pytest.raises(DataError, match="Preparation expected what elman writes"):
        elman.data.audio(BUNDLED / "it", prepared=made)


def test_longest_cuts_recordings_after_so_many_seconds() -> None:
    assert elman.data.audio(BUNDLED, longest=0.5).lengths.tolist() == [20] * 10


def test_the_features_train_a_model() -> None:
    data = elman.data.audio(BUNDLED, features="mfcc")
    model = elman.Sequential([elman.Input((None, 13)), elman.layers.GRU(4), elman.layers.Dense(2)])
    assert model.predict(data, verbose=0).shape == (10, 2)
