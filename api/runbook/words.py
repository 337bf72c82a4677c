"""What a paper says about itself: how to use it, and how to go on with no tool at all."""

from __future__ import annotations

from api.locale import _


def rules() -> list[str]:
    """Return how the paper is used, one thing after the other."""
    return [
        _(
            "Go wave by wave. Start a machine only when everything after 'needs' has its box "
            "ticked; within a wave the order is free."
        ),
        _("A machine that already runs is not started again: check it, and tick it."),
        _("Tick a machine when all its checks hold, not when it is powered on."),
        _("Write the time and your name beside each tick; one pen, one person who leads."),
        _(
            "Passwords are not on this paper. A check that needs one names it: it lies where "
            "your passwords for the emergency lie."
        ),
        _(
            "The code beside a box is for later: 'drorch paper RUN CODE TIME NAME' enters the tick "
            "into a run that is open. Its last character finds slips; capitals do not matter."
        ),
        _(
            "If ransomware may be the reason, start nothing that may be encrypted, and nothing "
            "without whoever leads."
        ),
    ]


def no_tool() -> list[str]:
    """Return what people do who have this paper, a telephone and a key to the room."""
    return [
        _("Say who leads. Write down the time and what you see: power, storage, network."),
        _("Call the owner of this plan, then tell the counters what to do meanwhile (services)."),
        _("Power and cooling first, then network, then storage; hosts only when all three stand."),
        _(
            "Log in at a host's own console. Proxmox: 'qm list' and 'pct list' show the machines, "
            "'qm start ID' and 'pct start ID' start one. libvirt: 'virsh list --all', "
            "'virsh start NAME'."
        ),
        _(
            "No quorum in a Proxmox cluster: first bring the other nodes back. 'pvecm expected 1' "
            "only when you are sure that they are off and stay off."
        ),
        _("Then go through the waves of this paper, from the first to the last."),
        _(
            "Without names, use the addresses on this paper; without a network, look at the "
            "machine's console."
        ),
        _("Something does not come up: note it, call who is named there, go on with the rest."),
        _("Every two hours: whoever leads hands over, with this paper, or rests."),
        _(
            "When drorch is back and the run was open: 'drorch run --continue' carries it on, "
            "'drorch paper' enters what was ticked. If there was none: start the plan; it finds "
            "what runs and only verifies it."
        ),
    ]
