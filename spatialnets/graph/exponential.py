"""Differentiable Taylor series of the matrix exponential, for matrices of norm about 1."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spatialnets.graph.matrices import inverse_factorials
from spatialnets.graph.products import add_products

__all__ = ["exponential_without_identity"]


def exponential_without_identity(matrix: Tensor, degree: int) -> Tensor:
    r"""Return the truncated series :math:`\exp(M) - I \approx \sum_{k=1}^{n} M^k / k!`, differentiable once.

    The series is evaluated by the scheme of Paterson and Stockmeyer with powers up to 3: five products at degree 12.
    The backward pass is the hand-written adjoint of that scheme: two products for each product of the forward pass,
    accumulated in place.

    Parameters
    ----------
    matrix
        :math:`M`, ``(…, row, column)``, square, of norm about 1.
    degree
        :math:`n`, a multiple of 3, at least 6.

    References
    ----------
    Paterson & Stockmeyer (1973), doi:10.1137/0202007.
    """
    return _Exponential.apply(matrix, degree)  # type: ignore[no-untyped-call]


class _Exponential(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor, degree: int) -> Tensor:
        flat = matrix.flatten(0, -3) if matrix.ndim > 2 else matrix[None]
        square = _product(flat, flat)
        cube = _product(square, flat)
        coefficients = inverse_factorials(degree)

        def chunk(power: int) -> Tensor:
            total = (flat * coefficients[power + 1]).add_(square, alpha=coefficients[power + 2])
            if power:
                total.diagonal(dim1=-2, dim2=-1).add_(coefficients[power])
            return total

        partial = [chunk(degree - 3).add_(cube, alpha=coefficients[degree])]
        for power in range(degree - 6, -1, -3):
            partial.append(add_products(chunk(power), cube, partial[-1]))
        result = partial.pop()
        ctx.save_for_backward(flat, square, cube, *partial)
        return result.view(matrix.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        flat, square, cube, *partial = ctx.saved_tensors
        # work with transposed gradients, so that no product needs a transposed matrix
        incoming = gradient.reshape(flat.shape).mT.contiguous()
        coefficients = inverse_factorials(3 * len(partial) + 3)
        grad_flat, grad_square = incoming.clone(), incoming / 2
        grad_cube = _product(partial[-1], incoming)
        for power in range(3, 3 * len(partial) + 1, 3):
            incoming = _product(incoming, cube)
            grad_flat.add_(incoming, alpha=coefficients[power + 1])
            grad_square.add_(incoming, alpha=coefficients[power + 2])
            if power < 3 * len(partial):
                add_products(grad_cube, partial[-1 - power // 3], incoming)
        grad_cube.add_(incoming, alpha=coefficients[3 * len(partial) + 3])
        add_products(grad_flat, grad_cube, square)
        add_products(grad_square, flat, grad_cube)
        add_products(add_products(grad_flat, flat, grad_square), grad_square, flat)
        return grad_flat.mT.reshape(gradient.shape), None


def _product(left: Tensor, right: Tensor) -> Tensor:
    return add_products(torch.empty_like(left), left, right, keep=0)
