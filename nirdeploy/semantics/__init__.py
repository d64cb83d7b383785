"""What one step means: dialects, neuron equations, operators, the order of a step."""
