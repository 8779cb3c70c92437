//! The generators and measures of relaygate's load-test suite, for its own commands, the demo and the tests.
