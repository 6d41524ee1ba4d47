"""The long suites: what `make test` has one short case of, in full. `make proof` runs them part by part."""
