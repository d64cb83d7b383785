"""py-spinnaker2's interface over a second, scalar evaluation of the chip: one neuron and one synapse at a time.

Not py-spinnaker2 (which needs the chip): what a script written for it says is run here, by rules written down anew
from its documentation. It shares nothing with nirdeploy.
"""
