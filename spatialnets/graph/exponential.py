"""The exponential of matrices of small norm as a Taylor series, with a backward pass of its own."""

from __future__ import annotations

import operator
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spatialnets.graph.products import add_products

__all__ = ["exponential_without_identity"]


def exponential_without_identity(matrix: Tensor, degree: int) -> Tensor:
    r"""Return :math:`\sum_{k=1}^{n} M^k / k!`, differentiable once.

    By Paterson and Stockmeyer with powers up to 3: five products at degree 12. The backward pass is the adjoint of that
    scheme, written by hand: two products for each of the forward pass, added in place to where they belong.

    Parameters
    ----------
    matrix
        :math:`M`, ``(…, row, column)``, square, of a norm of about 1.
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
        coefficients, buffer = _coefficients(degree), torch.empty_like(flat)

        def chunk(power: int) -> Tensor:
            total = (flat * coefficients[power + 1]).add_(torch.mul(square, coefficients[power + 2], out=buffer))
            if power:
                total.diagonal(dim1=-2, dim2=-1).add_(coefficients[power])
            return total

        partial = [chunk(degree - 3).add_(torch.mul(cube, coefficients[degree], out=buffer))]
        for power in range(degree - 6, -1, -3):
            partial.append(add_products(chunk(power), cube, partial[-1]))
        result = partial.pop()
        ctx.save_for_backward(flat, square, cube, *partial)
        return result.view(matrix.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        flat, square, cube, *partial = ctx.saved_tensors
        # everything is turned, so that no product needs a turned matrix
        into = gradient.reshape(flat.shape).mT.contiguous()
        coefficients = _coefficients(3 * len(partial) + 3)
        of_flat, of_square = into.clone(), into / 2
        of_cube = _product(partial[-1], into)
        for power in range(3, 3 * len(partial) + 1, 3):
            into = _product(into, cube)
            of_flat.add_(into, alpha=coefficients[power + 1])
            of_square.add_(into, alpha=coefficients[power + 2])
            if power < 3 * len(partial):
                add_products(of_cube, partial[-1 - power // 3], into)
        of_cube.add_(into, alpha=coefficients[3 * len(partial) + 3])
        add_products(of_flat, of_cube, square)
        add_products(of_square, flat, of_cube)
        add_products(add_products(of_flat, flat, of_square), of_square, flat)
        return of_flat.mT.reshape(gradient.shape), None


def _product(left: Tensor, right: Tensor) -> Tensor:
    return add_products(torch.empty_like(left), left, right, keep=0)


def _coefficients(degree: int) -> list[float]:
    """Return :math:`1 / k!`, rounded as for arrays."""
    return list(accumulate(range(1, degree + 1), operator.truediv, initial=1.0))
