"""Grafana dashboards of fleetwire, as code. `python -m fleetwire_dashboards FOLDER` writes them as JSON."""
