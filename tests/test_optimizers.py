"""Optimizers and schedules: Keras's updates, rates, options, configs, bad inputs."""

from __future__ import annotations

import numpy as np
import pytest

from elman import optimizers
from elman.errors import OptionError, UnknownNameError
from elman.optimizers import SGD, Adam, AdamW, RMSprop, schedules
from golden import record
from keras_judge import case, keras, stale

# Keras's variables do not yet know a keyword of NumPy 2's.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ALL = (SGD, RMSprop, Adam, AdamW)


def make(name: str) -> optimizers.Optimizer:
    cls, options = record.OPTIMIZERS[name]
    return getattr(optimizers, cls)(**options)


def schedule(name: str) -> schedules.LearningRateSchedule:
    cls, options = record.SCHEDULES[name]
    first = {} if cls == "PiecewiseConstantDecay" else {"initial_learning_rate": 0.3}
    return getattr(schedules, cls)(**first, **options)


@pytest.mark.parametrize("name", record.OPTIMIZERS)
def test_updates_are_those_of_keras_step_by_step(name):
    asked = case("optimizers", name)
    optimizer = make(name)
    values = [asked["start 0"], asked["start 1"]]
    states = [{key: np.zeros_like(v) for key in optimizer.moments()} for v in values]
    rates = optimizer.learning_rates(0, record.STEPS)
    for step in range(record.STEPS):
        gradients = optimizer.clip([asked["gradients 0"][step], asked["gradients 1"][step]])
        for i, gradient in enumerate(gradients):
            values[i] = optimizer.formula(values[i], gradient, states[i], step, rates[step])
            assert values[i].dtype == np.float32
            np.testing.assert_allclose(
                values[i], asked[f"values {i}"][step], rtol=2e-6, atol=2e-9, err_msg=f"{step=}"
            )


@pytest.mark.parametrize("topic", ["optimizers", "schedules"])
def test_recorded_answers_are_those_keras_gives_now(topic):
    if keras() is None:
        pytest.skip("Keras is not installed")
    assert stale(topic, rtol=2e-6, atol=1e-8) == []


@pytest.mark.parametrize("name", record.OPTIMIZERS)
def test_an_update_keeps_its_arguments_and_every_moment_it_names(name):
    optimizer = make(name)
    value, gradient = np.ones(3, np.float32), np.full(3, 0.5, np.float32)
    state = {key: np.zeros(3, np.float32) for key in optimizer.moments()}
    optimizer.formula(value, gradient, state, 0, 0.1)
    assert np.array_equal(value, np.ones(3)) and np.array_equal(gradient, np.full(3, 0.5))
    assert tuple(state) == optimizer.moments()
    assert all(moment.any() and moment.dtype == np.float32 for moment in state.values())


def test_moments_are_named_in_the_order_of_the_engine():
    assert SGD().moments() == ()
    assert SGD(momentum=0.5).moments() == ("momentum",)
    assert RMSprop().moments() == ("velocity",)
    assert RMSprop(momentum=0.1, centered=True).moments() == (
        "velocity",
        "momentum",
        "average_gradient",
    )
    assert Adam().moments() == ("momentum", "velocity")
    assert AdamW(amsgrad=True).moments() == ("momentum", "velocity", "velocity_hat")


def test_the_engine_is_told_words_and_numbers():
    shared = {"weight_decay": 0.0, "clipnorm": 0.0, "clipvalue": 0.0, "global_clipnorm": 0.0}
    assert SGD(momentum=0.5, nesterov=True).native() == (
        "sgd",
        shared | {"momentum": 0.5, "nesterov": 1.0},
    )
    assert RMSprop(clipnorm=1.5).native() == (
        "rmsprop",
        shared | {"clipnorm": 1.5, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": 0.0},
    )
    adam = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": 0.0}
    assert AdamW().native() == ("adam", shared | adam | {"weight_decay": 0.004})


def test_clipping_to_a_norm_shortens_each_gradient_by_itself():
    long, short = np.array([3.0, 4.0], np.float32), np.array([0.1], np.float32)
    clipped = SGD(clipnorm=1.0).clip([long, short])
    np.testing.assert_allclose(clipped[0], [0.6, 0.8], rtol=1e-6)
    assert np.array_equal(clipped[1], short)


def test_clipping_to_a_global_norm_shortens_all_gradients_alike():
    gradients = [np.array([3.0], np.float32), np.array([4.0], np.float32)]
    clipped = SGD(global_clipnorm=1.0).clip(gradients)
    np.testing.assert_allclose(np.concatenate(clipped), [0.6, 0.8], rtol=1e-6)
    assert np.array_equal(SGD(global_clipnorm=6.0).clip(gradients)[0], gradients[0])
    assert np.array_equal(SGD(global_clipnorm=6.0).clip([np.zeros(2)])[0], np.zeros(2))


def test_a_gradient_that_is_not_finite_is_not_hidden_by_clipping():
    gradients = [np.array([np.inf], np.float32), np.array([1.0], np.float32)]
    with np.errstate(invalid="ignore"):
        assert np.isnan(np.concatenate(SGD(global_clipnorm=1.0).clip(gradients))).all()
        assert np.isnan(SGD(clipnorm=1.0).clip(gradients)[0]).all()


def test_clipping_by_value_bounds_each_value():
    clipped = SGD(clipvalue=0.5).clip([np.array([-2.0, 0.1, 2.0], np.float32)])
    np.testing.assert_allclose(clipped[0], [-0.5, 0.1, 0.5], rtol=1e-6)


@pytest.mark.parametrize("name", record.SCHEDULES)
def test_the_rate_of_each_step_is_that_of_keras(name):
    expected = case("schedules", name)["rates"]
    got = schedule(name).rates(0, 40)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=2e-6, atol=1e-8)


@pytest.mark.parametrize("name", record.SCHEDULES)
def test_rates_of_a_run_are_those_of_its_steps(name):
    each = [float(schedule(name)(step)) for step in range(9, 16)]
    np.testing.assert_allclose(schedule(name).rates(9, 7), each, rtol=1e-6)


def test_a_schedule_rules_the_steps_of_the_optimizer():
    optimizer = SGD(schedules.ExponentialDecay(0.5, 10, 0.5))
    optimizer.iterations = 10
    assert optimizer.learning_rate == pytest.approx(0.25)
    rates = optimizer.learning_rates(optimizer.iterations, 11)
    assert rates.shape == (11,) and rates.dtype == np.float32
    assert rates[[0, -1]] == pytest.approx([0.25, 0.125])


def test_a_schedule_of_your_own_is_called_for_each_step():
    class Halving(schedules.LearningRateSchedule):
        def __call__(self, step):
            return 1.0 / 2**step

    assert SGD(Halving()).learning_rates(1, 3).tolist() == [0.5, 0.25, 0.125]


def test_a_rate_can_be_set_to_a_number_or_a_schedule():
    optimizer = Adam()
    optimizer.learning_rate = np.float32(0.5)
    assert optimizer.learning_rate == 0.5
    assert optimizer.learning_rates(7, 2).tolist() == [0.5, 0.5]
    optimizer.learning_rate = schedules.CosineDecay(0.25, 10)
    assert optimizer.learning_rate == 0.25


def test_a_rate_under_a_schedule_cannot_be_set_by_hand():
    optimizer = SGD(schedules.CosineDecay(0.25, 10))
    with pytest.raises(OptionError, match=r"left to its CosineDecay, got 0\.1"):
        optimizer.learning_rate = 0.1
    optimizer.learning_rate = schedules.CosineDecay(0.5, 10)
    assert optimizer.learning_rate == 0.5


def test_iterations_begin_at_zero():
    assert Adam().iterations == 0


@pytest.mark.parametrize("cls", ALL)
def test_defaults_are_those_of_keras(cls):
    if keras() is None:
        pytest.skip("Keras is not installed")
    theirs = getattr(keras().optimizers, cls.__name__)().get_config()
    ours = cls().get_config()
    assert theirs.pop("learning_rate") == pytest.approx(ours.pop("learning_rate"))
    theirs.pop("name"), ours.pop("name")  # Keras counts its optimizers in their names
    assert ours == {key: value for key, value in theirs.items() if key in ours}
    assert theirs.keys() - ours.keys() <= optimizers.optimizers.KERAS_ONLY.keys()


@pytest.mark.parametrize("name", record.OPTIMIZERS)
def test_configs_are_understood_both_ways(name):
    ours = make(name)
    assert optimizers.get({"class_name": type(ours).__name__, "config": ours.get_config()})
    if keras() is None:
        return
    cls, options = record.OPTIMIZERS[name]
    theirs = getattr(keras().optimizers, cls)(**options)
    config = keras().saving.serialize_keras_object(theirs)
    assert optimizers.get(config).native() == ours.native()
    assert getattr(keras().optimizers, cls).from_config(ours.get_config()).get_config()


def test_a_schedule_survives_the_config_of_its_optimizer():
    optimizer = Adam(schedules.CosineDecay(0.25, 10, warmup_target=0.5, warmup_steps=5))
    again = optimizers.get({"class_name": "Adam", "config": optimizer.get_config()})
    np.testing.assert_array_equal(again.learning_rates(0, 20), optimizer.learning_rates(0, 20))
    if keras() is not None:
        theirs = keras().optimizers.Adam.from_config(optimizer.get_config())
        assert float(theirs.learning_rate) == 0.25


def test_a_repr_shows_what_was_chosen():
    assert repr(SGD(0.5, momentum=0.9)) == "SGD(learning_rate=0.5, momentum=0.9)"
    shown = repr(SGD(schedules.CosineDecay(0.5, 10)))
    assert "following CosineDecay(initial_learning_rate=0.5, decay_steps=10)" in shown


@pytest.mark.parametrize("name", ["adam", "Adam", "RMSprop", "rmsprop", "SGD", "adamw", "AdamW"])
def test_names_are_accepted_in_any_case(name):
    assert type(optimizers.get(name)).__name__.lower() == name.lower()


def test_get_takes_a_class_and_an_object():
    adam = Adam(0.5)
    assert optimizers.get(adam) is adam
    assert isinstance(optimizers.get(Adam), Adam)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'rmsprop'"):
        optimizers.get("rmspropp")
    with pytest.raises(UnknownNameError, match="known learning rate schedule"):
        schedules.get({"class_name": "CosineDcay", "config": {}})


@pytest.mark.parametrize("identifier", [None, 3, {"config": {}}])
def test_what_is_no_optimizer_is_refused(identifier):
    with pytest.raises(UnknownNameError, match=r"optimizers\.get expected a known optimizer"):
        optimizers.get(identifier)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("use_ema", True),
        ("loss_scale_factor", 2.0),
        ("gradient_accumulation_steps", 4),
        ("decay", 0.1),
    ],
)
def test_options_elman_does_not_have_are_refused(cls, option, value):
    with pytest.raises(OptionError, match=f"{cls.__name__} expected {option} to be"):
        cls(**{option: value})


def test_options_elman_does_not_have_are_accepted_at_their_defaults():
    quiet = {"use_ema": False, "ema_momentum": 0.99, "loss_scale_factor": None}
    assert "use_ema" not in Adam(**quiet).get_config()


def test_an_unknown_option_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="SGD expected a known option, got 'momentun'"):
        SGD(momentun=0.9)


@pytest.mark.parametrize(
    "clips",
    [
        {"clipnorm": 1.0, "clipvalue": 1.0},
        {"clipnorm": 1.0, "global_clipnorm": 1.0},
        {"clipvalue": 0.5, "clipnorm": 1.0, "global_clipnorm": 1.0},
    ],
)
def test_more_than_one_clipping_is_refused(clips):
    with pytest.raises(OptionError, match="at most one of clipnorm, clipvalue, global_clipnorm"):
        RMSprop(**clips)


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf"), "0.1", None, lambda: 0.1])
def test_what_is_no_rate_is_refused(rate):
    with pytest.raises(OptionError, match="SGD expected learning_rate to be a number >= 0 or a"):
        SGD(rate)
    optimizer = SGD(0.5)
    with pytest.raises(OptionError):
        optimizer.learning_rate = rate
    assert optimizer.learning_rate == 0.5


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (SGD, {"momentum": 1.5}),
        (SGD, {"momentum": -0.1}),
        (SGD, {"momentum": None}),
        (SGD, {"clipnorm": -1.0}),
        (SGD, {"weight_decay": "much"}),
        (RMSprop, {"rho": 2.0}),
        (RMSprop, {"epsilon": -1e-7}),
        (Adam, {"beta_1": 1.0}),
        (Adam, {"beta_2": float("nan")}),
    ],
)
def test_options_out_of_range_are_refused(cls, options):
    (option,) = options
    with pytest.raises(OptionError, match=f"{cls.__name__} expected {option} to be a number"):
        cls(**options)


def test_adamw_without_a_decay_is_refused():
    with pytest.raises(OptionError, match="AdamW expected weight_decay to be a number, got None"):
        AdamW(weight_decay=None)


@pytest.mark.parametrize(
    "make_schedule",
    [
        lambda: schedules.ExponentialDecay(0.1, 0, 0.5),
        lambda: schedules.InverseTimeDecay(0.1, -1, 0.5),
        lambda: schedules.PolynomialDecay(0.1, 0),
        lambda: schedules.CosineDecay(0.1, 0),
        lambda: schedules.CosineDecayRestarts(0.1, 0),
    ],
)
def test_a_schedule_over_no_steps_is_refused(make_schedule):
    with pytest.raises(OptionError, match="decay_steps to be a positive number"):
        make_schedule()


def test_pieces_that_do_not_fit_are_refused():
    with pytest.raises(OptionError, match="got 2 boundaries and 2 values"):
        schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2])
    with pytest.raises(OptionError, match="ascending boundaries"):
        schedules.PiecewiseConstantDecay([2, 1], [0.1, 0.2, 0.3])
