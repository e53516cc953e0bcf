"""Files of other people's making: read as data, with messages that say what was expected."""
