"""The option that chooses what a command computes on."""

import click

from mmcli.util.asked_device import Device, asked_device


def _ask(context: click.Context, _parameter: click.Parameter, value: Device | None) -> None:
    """Ask for a kind of device until the command ends."""
    token = asked_device.set(value)
    context.call_on_close(lambda: asked_device.reset(token))


device_option = click.option(
    "--device",
    type=click.Choice(["cpu", "gpu"]),
    expose_value=False,
    callback=_ask,
    help="What to compute on [a GPU that jax can use, else the CPU].",
)
