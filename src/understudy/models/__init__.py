"""Language models: endpoints, local weights, scripted; policies as wrappers; the judge."""
