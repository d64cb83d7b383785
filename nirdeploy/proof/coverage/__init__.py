"""What a stimulus exercised of a network: which parameters a fault of one step would show in what is compared."""
