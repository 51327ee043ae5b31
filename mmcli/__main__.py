"""`python -m mmcli`: the same as the command `mmcli`."""

from mmcli.cli.main import main

main()
