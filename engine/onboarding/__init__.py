"""Onboarding: from files that nobody here has seen to a dataset that is learned from, with a person's agreement.

    newer_of(columns)     -> Newer         the kept dataset of which files with these columns look like newer ones
    propose(sources)      -> Proposal      recognised, mapped, examined; nothing is kept
    amended(proposal)     -> Proposal      the same with what a person decided otherwise
    accept(proposal)      -> report        kept with the dataset, and run through the same pipeline as `run`

What is accepted is a small TOML beside the dataset (`mapping.toml`): next month's file of the same dataset is read and
mended in the same way without a question, and what differs from the file before is said.
"""

from engine.data.doctor.changes import Change
from engine.data.doctor.faults import Fault
from engine.data.doctor.recognise import Part
from engine.data.doctor.silence import Silence
from engine.onboarding.accepting import accept, grave, keep
from engine.onboarding.amending import amended
from engine.onboarding.memory import kept, kept_portrait, read_mapping, said_before, settings_before
from engine.onboarding.newer import Newer, newer_of
from engine.onboarding.proposal import Cure, Examined, Proposal
from engine.onboarding.proposing import propose

__all__ = ["Change", "Cure", "Examined", "Fault", "Newer", "Part", "Proposal", "Silence", "accept", "amended", "grave",
           "keep", "kept", "kept_portrait", "newer_of", "propose", "read_mapping", "said_before", "settings_before"]
