"""torch's recurrent layers on elman's kernels, judged by torch itself in the same run."""

from __future__ import annotations

import copy
import io
import itertools
import pickle
import threading
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn.utils import rnn as packing  # noqa: E402

from elman import _core  # noqa: E402
from elman.errors import DataError, OptionError  # noqa: E402
from elman.interop.torch import GRU, LSTM, RNN, replace  # noqa: E402

OURS = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}
CELLS = [("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("GRU", {})]
CELL_NAMES = ["rnn", "rnn_relu", "lstm", "gru"]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def pair(name: str, *sizes: int, dtype: Any = torch.float32, **options: Any) -> tuple[Any, Any]:
    """torch's module and elman's, with the same weights."""
    torch.manual_seed(len(options))
    theirs = getattr(nn, name)(*sizes, dtype=dtype, **options)
    ours = OURS[name](*sizes, dtype=dtype, **options)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs, ours


def states_for(module: Any, rows: int | None, dtype: Any) -> tuple[Any, ...]:
    layers = module.num_layers * (2 if module.bidirectional else 1)
    shape = (layers, module.hidden_size) if rows is None else (layers, rows, module.hidden_size)
    return tuple(torch.randn(shape, dtype=dtype) for _ in range(2 if module.mode == "LSTM" else 1))


def outcome(module: Any, x: Any, states: tuple[Any, ...], lengths: Any = None) -> list[Any]:
    """Outputs, last states, and gradients of everything, through both."""
    x = x.clone().requires_grad_()
    states = tuple(s.clone().requires_grad_() for s in states)
    given: Any = x
    if lengths is not None:
        given = packing.pack_padded_sequence(
            x,
            lengths,
            batch_first=module.batch_first,
            enforce_sorted=lengths == sorted(lengths)[::-1],
        )
    hx = None if not states else states if module.mode == "LSTM" else states[0]
    y, last = module(given, hx)
    if lengths is not None:
        y, _ = packing.pad_packed_sequence(y, batch_first=module.batch_first)
    last = last if isinstance(last, tuple) else (last,)
    loss = sum(
        (part * torch.linspace(-1, 2, part.numel(), dtype=x.dtype).view(part.shape)).sum()
        for part in (y, *last)
    )
    wanted = [x, *states, *module.parameters()]
    return [y, *last, *torch.autograd.grad(loss, wanted)]


def assert_same(theirs: list[Any], ours: list[Any]) -> None:
    for wanted, got in zip(theirs, ours, strict=True):
        assert got.shape == wanted.shape and got.dtype == wanted.dtype
        scale = max(1.0, wanted.abs().max().item()) if wanted.numel() else 1.0
        torch.testing.assert_close(got, wanted, rtol=0, atol=TOLERANCE[wanted.dtype] * scale)


@pytest.fixture(params=_core.available_isas())
def isa(request: Any) -> Any:
    before = _core.isa()
    _core.use_isa(request.param)
    yield request.param
    _core.use_isa(before)


# -- the same numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("name", "more"), CELLS, ids=CELL_NAMES)
def test_outputs_and_gradients_are_torchs_at_odd_sizes_on_every_instruction_set(
    isa: str, name: str, more: dict[str, Any], dtype: Any
) -> None:
    for features, units, steps, rows in [
        (1, 1, 1, 1),
        (3, 7, 5, 2),
        (17, 33, 20, 9),
        (5, 16, 1, 4),
    ]:
        theirs, ours = pair(name, features, units, dtype=dtype, **more)
        x = torch.randn(steps, rows, features, dtype=dtype)
        assert_same(outcome(theirs, x, ()), outcome(ours, x, ()))
        states = states_for(ours, rows, dtype)
        assert_same(outcome(theirs, x, states), outcome(ours, x, states))


@pytest.mark.parametrize(("name", "more"), CELLS, ids=CELL_NAMES)
@pytest.mark.parametrize("lengths", [None, [6, 5, 5, 2, 1], [2, 6, 1, 5, 5]])
def test_options_combine_as_in_torch(name: str, more: dict[str, Any], lengths: Any) -> None:
    for bidirectional, batch_first, bias, layers in itertools.product(
        (False, True), (False, True), (False, True), (1, 3)
    ):
        options = {"bidirectional": bidirectional, "batch_first": batch_first, "bias": bias, **more}
        theirs, ours = pair(name, 4, 6, num_layers=layers, dtype=torch.float64, **options)
        x = torch.randn((5, 6, 4) if batch_first else (6, 5, 4), dtype=torch.float64)
        states = states_for(ours, 5, torch.float64)
        assert_same(outcome(theirs, x, states, lengths), outcome(ours, x, states, lengths))
        assert_same(outcome(theirs, x, (), lengths), outcome(ours, x, (), lengths))


@pytest.mark.parametrize("lengths", [None, [60] * 20 + [31] * 13 + [4] * 37])
def test_threads_share_the_rows_and_change_nothing(lengths: Any) -> None:
    theirs, ours = pair("LSTM", 16, 32, bidirectional=True, dtype=torch.float64)
    x, states = torch.randn(60, 70, 16).double(), states_for(ours, 70, torch.float64)
    before = torch.get_num_threads()
    try:
        wanted = outcome(theirs, x, states, lengths)
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            first = outcome(ours, x, states, lengths)
            assert_same(wanted, first)
            again = outcome(ours, x, states, lengths)
            assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    finally:
        torch.set_num_threads(before)


def test_that_size_is_worth_several_threads() -> None:
    sequence = _core.DoubleSequence("lstm", "tanh", (0, 1, 2, 3), True, 16, 32, 60, 70, 2, 3, None)
    assert sequence.threads == 3


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_unbatched_input_is_torchs(name: str, batch_first: bool) -> None:
    theirs, ours = pair(name, 4, 6, num_layers=2, bidirectional=True, batch_first=batch_first)
    x = torch.randn(5, 4)
    assert_same(outcome(theirs, x, ()), outcome(ours, x, ()))
    states = states_for(ours, None, torch.float32)
    assert_same(outcome(theirs, x, states), outcome(ours, x, states))


@pytest.mark.parametrize("name", OURS)
def test_an_empty_batch_is_torchs(name: str) -> None:
    theirs, ours = pair(name, 4, 6, bidirectional=True)
    x = torch.randn(5, 0, 4)
    assert_same(outcome(theirs, x, ()), outcome(ours, x, ()))


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_views_of_any_strides_are_read_where_they_lie(dtype: Any) -> None:
    theirs, ours = pair("GRU", 4, 6, dtype=dtype)
    base = torch.randn(3, 9, 8, dtype=dtype)
    for x in (base.transpose(0, 1)[..., :4], base[..., ::2], base[:1, :, :4].expand(5, 9, 4)):
        assert_same(outcome(theirs, x, ()), outcome(ours, x, ()))
        y, _ = ours(x)
        torch.testing.assert_close(y, theirs(x)[0])


def test_contiguous_tensors_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, x = GRU(4, 6, batch_first=True), torch.randn(3, 5, 4, requires_grad=True)

    def copying(*_: Any, **__: Any) -> Any:
        raise AssertionError("copied")

    for way in ("contiguous", "clone", "reshape"):
        monkeypatch.setattr(torch.Tensor, way, copying)
    y, h = ours(x, torch.zeros(1, 3, 6))
    torch.autograd.backward([y, h], [torch.ones(3, 5, 6), torch.ones(1, 3, 6)])
    assert x.grad is not None


def test_dropout_draws_what_torch_draws() -> None:
    theirs, ours = pair("GRU", 4, 6, num_layers=3, dropout=0.5, batch_first=True)
    x = torch.randn(3, 5, 4)
    found = []
    for module in (theirs, ours):
        torch.manual_seed(7)
        found.append(outcome(module, x, ()))
    assert_same(*found)
    assert not torch.equal(ours(x)[0], ours(x)[0])
    assert torch.equal(ours.eval()(x)[0], ours(x)[0])


# -- autograd -------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True], ids=["dense", "packed"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("name", "more"), CELLS, ids=CELL_NAMES)
def test_gradcheck_passes_in_double(
    name: str, more: dict[str, Any], bidirectional: bool, layers: int, packed: bool
) -> None:
    torch.manual_seed(1)
    module = OURS[name](2, 3, layers, bidirectional=bidirectional, dtype=torch.float64, **more)
    x = torch.randn(4, 2, 2, dtype=torch.float64, requires_grad=True)
    states = [s.requires_grad_() for s in states_for(module, 2, torch.float64)]
    names = [name for name, _ in module.named_parameters()]

    def run(x: Any, *tensors: Any) -> Any:
        hx, weights = tensors[: len(states)], tensors[len(states) :]
        given = packing.pack_padded_sequence(x, [4, 2]) if packed else x
        hx = hx if len(hx) == 2 else hx[0]
        parameters = dict(zip(names, weights, strict=True))
        y, last = torch.func.functional_call(module, parameters, (given, hx))
        return (y.data if packed else y, *(last if isinstance(last, tuple) else (last,)))

    weights = [p.detach().clone().requires_grad_() for p in module.parameters()]
    assert torch.autograd.gradcheck(run, (x, *states, *weights))


@pytest.mark.parametrize("name", OURS)
def test_backward_may_come_in_any_order_and_again(name: str) -> None:
    theirs, ours = pair(name, 3, 5, dtype=torch.float64)
    a, b = torch.randn(2, 4, 3, 3, dtype=torch.float64)
    wanted = [torch.autograd.grad(theirs(x)[0].sum(), theirs.parameters()) for x in (a, b)]
    first, second = ours(a)[0].sum(), ours(b)[0].sum()
    for loss, gradients in ((second, wanted[1]), (first, wanted[0]), (second, wanted[1])):
        found = torch.autograd.grad(loss, list(ours.parameters()), retain_graph=True)
        assert_same(list(gradients), list(found))
    first.backward()
    with pytest.raises(RuntimeError, match="second time"):
        first.backward()


def test_gradients_through_the_last_states_alone_or_the_outputs_alone() -> None:
    theirs, ours = pair("LSTM", 3, 5)
    x = torch.randn(4, 2, 3)
    for choose in (lambda y, h, c: y, lambda y, h, c: h, lambda y, h, c: c):
        found = []
        for module in (theirs, ours):
            y, (h, c) = module(x)
            loss = choose(y, h, c).square().sum()
            found.append(list(torch.autograd.grad(loss, module.parameters(), allow_unused=True)))
        assert_same(*found)


def test_frozen_weights_get_no_gradient_and_the_input_still_does() -> None:
    theirs, ours = pair("GRU", 3, 5)
    x = torch.randn(4, 2, 3)
    for module in (theirs, ours):
        module.weight_hh_l0.requires_grad_(False)
        module.bias_ih_l0.requires_grad_(False)
    found = []
    for module in (theirs, ours):
        given = x.clone().requires_grad_()
        module(given)[0].sum().backward()
        assert module.weight_hh_l0.grad is None and module.bias_ih_l0.grad is None
        found.append([given.grad, module.weight_ih_l0.grad, module.bias_hh_l0.grad])
    assert_same(*found)


def test_a_weight_changed_before_backward_is_torchs_error() -> None:
    ours = GRU(3, 5)
    loss = ours(torch.randn(4, 2, 3))[0].sum()
    with torch.no_grad():
        ours.weight_hh_l0.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_outputs_may_be_changed_in_place_before_backward() -> None:
    theirs, ours = pair("GRU", 3, 5)
    x = torch.randn(4, 2, 3)
    wanted = torch.autograd.grad(theirs(x)[0].mul(2).sum(), theirs.parameters())
    found = torch.autograd.grad(ours(x)[0].mul_(2).sum(), ours.parameters())
    assert_same(list(wanted), list(found))


def test_a_second_derivative_is_refused_by_name() -> None:
    ours, x = GRU(3, 5), torch.randn(4, 2, 3, requires_grad=True)
    # Of a sum, whose own gradient is a constant, and of a square, whose gradient is not.
    for loss in (ours(x)[0].sum(), ours(x)[0].square().sum()):
        (slope,) = torch.autograd.grad(loss, x, create_graph=True)
        with pytest.raises(OptionError, match="differentiated once, got a second derivative"):
            (slope.square().sum() + x.sum()).backward()


def test_without_gradients_nothing_is_recorded() -> None:
    ours, x = LSTM(3, 5), torch.randn(4, 2, 3)
    recorded, (h, c) = ours(x)
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            y, _ = ours(x)
        assert y.grad_fn is None and torch.equal(y, recorded)
    assert recorded.grad_fn is not None and h.grad_fn is not None and c.grad_fn is not None


@pytest.mark.parametrize("name", OURS)
def test_training_goes_as_in_torch(name: str) -> None:
    losses = []
    theirs, ours = pair(name, 3, 16, num_layers=2, batch_first=True)
    x, y = torch.randn(8, 12, 3), torch.randn(8, 1)
    for rnn in (theirs, ours):
        torch.manual_seed(3)
        head = nn.Linear(16, 1)
        parameters = [*rnn.parameters(), *head.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=0.01)
        for _ in range(20):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(head(rnn(x)[0][:, -1]), y)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 0.5)
            optimizer.step()
            losses.append(loss.item())
    assert losses[:20] == pytest.approx(losses[20:], abs=1e-4)
    assert losses[19] < losses[0]


def test_modules_are_shared_between_threads() -> None:
    _, ours = pair("LSTM", 16, 32, bidirectional=True)
    inputs = [torch.randn(60, 70, 16) for _ in range(4)]
    wanted = [torch.autograd.grad(ours(x)[0].sum(), ours.parameters()) for x in inputs]
    found: dict[int, Any] = {}

    def work(i: int) -> None:
        for _ in range(3):
            found[i] = torch.autograd.grad(ours(inputs[i])[0].sum(), ours.parameters())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, gradients in enumerate(wanted):
        assert all(torch.equal(a, b) for a, b in zip(gradients, found[i], strict=True))


# -- torch's habits -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
def test_checkpoints_go_both_ways_and_repr_is_torchs(name: str) -> None:
    options = {"num_layers": 2, "bidirectional": True, "batch_first": True, "dropout": 0.25}
    theirs, ours = pair(name, 3, 5, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    file = io.BytesIO()
    torch.save(ours.state_dict(), file)
    file.seek(0)
    theirs.load_state_dict(torch.load(file, weights_only=True), strict=True)
    ours.flatten_parameters()
    assert isinstance(ours, getattr(nn, name))


def test_modules_are_copied_pickled_and_converted() -> None:
    ours, x = LSTM(3, 5, num_layers=2), torch.randn(4, 2, 3)
    for copied in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert type(copied) is LSTM
        assert torch.equal(copied(x)[0], ours(x)[0])
        with torch.no_grad():
            copied.weight_hh_l0.zero_()
        assert not torch.equal(copied(x)[0], ours(x)[0])
    ours.double()
    torch.testing.assert_close(ours(x.double())[0], nn.LSTM.forward(ours, x.double())[0])


class _Dataset(torch.utils.data.Dataset):  # type: ignore[misc]
    """Samples that a module made."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> Any:
        with torch.no_grad():
            return self.module(torch.full((60, 70, 16), float(i)))[1]


def test_workers_of_a_dataloader_may_be_forked() -> None:
    _, ours = pair("GRU", 16, 32)
    ours(torch.zeros(60, 70, 16))  # the parent has threads by now
    loader = torch.utils.data.DataLoader(
        _Dataset(ours), batch_size=None, num_workers=1, multiprocessing_context="fork", timeout=60
    )
    for i, found in enumerate(loader):
        torch.testing.assert_close(found, _Dataset(ours)[i])


def test_jit_script_takes_torchs_own_layer_with_the_same_weights() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = GRU(3, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.rnn(x)[0]

    model, x = Model(), torch.randn(4, 2, 3)
    wanted = model(x)
    torch.testing.assert_close(torch.jit.script(model)(x), wanted)
    # torch puts what it scripts into the model itself.
    assert replace(model).swapped == ["rnn"]
    torch.testing.assert_close(model(x), wanted)


def test_torch_compile_leaves_the_layer_as_it_is() -> None:
    ours, head = GRU(3, 5), nn.Linear(5, 1)

    def model(x: Any) -> Any:
        return head(ours(x)[0]).sum()

    x = torch.randn(4, 2, 3)
    wanted = torch.autograd.grad(model(x), ours.parameters())
    found = torch.autograd.grad(torch.compile(model, backend="eager")(x), ours.parameters())
    assert_same(list(wanted), list(found))


# -- what is refused ------------------------------------------------------------------------------


def test_what_elman_cannot_do_is_refused_when_the_module_is_made() -> None:
    with pytest.raises(OptionError, match=r"LSTM expected proj_size=0, got 2\. Keep torch\.nn"):
        LSTM(3, 5, proj_size=2)
    with pytest.raises(OptionError, match="GRU expected device='cpu', got 'cuda'"):
        GRU(3, 5, device="cuda")
    with pytest.raises(OptionError, match=r"RNN expected dtype torch\.float32 or torch\.float64"):
        RNN(3, 5, dtype=torch.bfloat16)


def test_other_types_and_devices_are_refused_before_any_work() -> None:
    x = torch.randn(4, 2, 3)
    for dtype in (torch.bfloat16, torch.float16):
        with pytest.raises(DataError, match="all float32 or all float64"):
            GRU(3, 5).to(dtype)(x.to(dtype))
    with pytest.raises(DataError, match=r"GRU expected .*, got torch\.float64 beside weights of"):
        GRU(3, 5)(x.double())
    with pytest.raises(DataError, match=r"got torch\.float64 beside"):
        GRU(3, 5)(x, torch.zeros(1, 2, 5).double())
    with pytest.raises(DataError, match="GRU expected tensors on the CPU, got one on meta"):
        GRU(3, 5).to("meta")(x.to("meta"))


@pytest.mark.parametrize("name", OURS)
def test_wrong_shapes_raise_what_they_raise_in_torch(name: str) -> None:
    theirs, ours = pair(name, 3, 5)

    def error(module: Any, shape: tuple[int, ...], states: tuple[int, ...] | None) -> type:
        hx: Any = None if states is None else torch.zeros(states)
        if hx is not None and name == "LSTM":
            hx = (hx, hx)
        with pytest.raises((RuntimeError, ValueError)) as raised:
            module(torch.zeros(shape), hx)
        return raised.type

    cases: list[tuple[tuple[int, ...], tuple[int, ...] | None]] = [
        ((4, 2, 7), None), ((4,), None), ((0, 2, 3), None), ((4, 2, 3), (1, 3, 5)),
        ((4, 2, 3), (2, 5)), ((4, 3), (1, 1, 5)), ((4, 2, 3), (1, 2, 6)),
    ]  # fmt: skip
    for shape, states in cases:
        assert error(ours, shape, states) is error(theirs, shape, states)


# -- replace --------------------------------------------------------------------------------------


class _Own(nn.GRU):
    pass


def test_replace_swaps_in_place_and_says_what_it_could_not() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.LSTM(3, 5, batch_first=True)
            self.parts = nn.ModuleList([nn.GRU(5, 4), nn.RNN(4, 4), _Own(3, 3)])
            self.projected = nn.LSTM(3, 5, proj_size=2)
            self.cell = nn.GRUCell(3, 5)
            self.done = GRU(3, 5)

        def forward(self, x: Any) -> Any:
            return self.parts[1](self.parts[0](self.encoder(x)[0])[0])[0]

    model, x = Model().eval(), torch.randn(2, 6, 3)
    model.parts[0].weight_hh_l0.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    parameters, wanted = list(model.parameters()), model(x)
    report = replace(model)
    assert report.swapped == ["encoder", "parts.0", "parts.1"]
    assert list(report.kept) == ["parts.2", "projected", "cell"]
    assert "proj_size" in report.kept["projected"] and "_Own" in report.kept["parts.2"]
    assert [type(m) for m in (model.encoder, *model.parts)] == [LSTM, GRU, RNN, _Own]
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    assert not model.encoder.training and not model.parts[0].weight_hh_l0.requires_grad
    found = model(x)
    torch.testing.assert_close(found, wanted)
    found.sum().backward()
    optimizer.step()
    assert not torch.allclose(model(x), wanted)
    for name in (*report.swapped, *report.kept):
        assert name in str(report)
    assert replace(model).swapped == []


def test_replace_takes_a_layer_itself_and_a_model_without_any() -> None:
    layer = nn.GRU(3, 5)
    assert replace(layer).swapped == [""] and type(layer) is GRU
    assert "no recurrent layers" in str(replace(nn.Linear(2, 2)))
