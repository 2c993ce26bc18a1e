"""Run time: look at the machine, make its platform layer once, hand over to the application."""
