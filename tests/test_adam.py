import torch

from spatialnets.training.adam import Adam


def _minimize(optimizer: Adam, parameter: torch.Tensor, updates: int = 20) -> None:
    target = torch.linspace(-1, 1, parameter[0].numel(), dtype=parameter.dtype).view(parameter.shape[1:])
    for _ in range(updates):
        optimizer.zero_grad()
        ((parameter - target) ** 2).sum().backward()
        optimizer.step()


def test_adam_equals_that_of_pytorch_if_epsilon_is_negligible() -> None:
    ours = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    theirs = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    _minimize(Adam({"w": ours}, torch.full((2,), 0.01, dtype=torch.float64), epsilon=1e-16), ours)
    other = torch.optim.Adam([theirs], lr=0.01, eps=1e-16)
    target = torch.linspace(-1, 1, 3, dtype=torch.float64)
    for _ in range(20):
        other.zero_grad()
        ((theirs - target) ** 2).sum().backward()
        other.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)  # float64 rounding over 20 updates


def test_epsilon_is_added_before_the_bias_correction_as_in_keras() -> None:
    # closed form: after one update m = (1-b1) g, v = (1-b2) g^2, so the step is lr g / (|g| + eps/sqrt(1-b2))
    gradient, epsilon = 1e-6, 1e-7
    parameter = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    optimizer = Adam({"w": parameter}, torch.tensor([0.001], dtype=torch.float64), epsilon=epsilon)
    (parameter * gradient).sum().backward()
    optimizer.step()
    expected = -0.001 * gradient / (gradient + epsilon / (1 - 0.999) ** 0.5)
    assert abs(float(parameter.detach()) / expected - 1) < 1e-9  # rounding of 1 - 0.999


def test_each_network_has_its_own_learning_rate() -> None:
    both = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    alone = torch.ones(1, 3, dtype=torch.float64, requires_grad=True)
    _minimize(Adam({"w": both}, torch.tensor([0.5, 0.01], dtype=torch.float64)), both)
    _minimize(Adam({"w": alone}, torch.tensor([0.01], dtype=torch.float64)), alone)
    torch.testing.assert_close(both[1:], alone, rtol=0, atol=0)
    assert not torch.allclose(both[0], both[1])
