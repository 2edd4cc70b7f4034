"""Text, audio, ECG and tables as arrays, and the bundled datasets (`elman.datasets`)."""
