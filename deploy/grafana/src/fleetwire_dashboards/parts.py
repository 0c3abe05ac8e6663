"""What all dashboards have in common: variables, links, queries, and panels of three kinds.

A panel cannot be made without a description, a unit and thresholds.
"""

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

# Of every query. The variables' "All" is `.*`, which also matches series without the label: so the dashboards work
# where nobody sets a region and there are no pods, and `instance` tells processes apart there.
SELECTED = 'region=~"$region",namespace=~"$namespace",pod=~"$pod",instance=~"$instance"'

# One line a process, named by its pod, or by its address where there are no pods.
BY_PROCESS = "job, pod, instance"
PROCESS = "{{job}} {{pod}} {{instance}}"

GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"


def _by(labels):
    return f" by ({labels}) " if labels else ""


def series(metric, labels=""):
    """The selected series of a metric."""
    return f"{metric}{{{SELECTED}{',' + labels if labels else ''}}}"


def rate(metric, labels="", by=""):
    """Sum of the rates of a counter, for each of the labels in `by`."""
    return f"sum{_by(by)}(rate({series(metric, labels)}[$__rate_interval]))"


def total(metric, labels="", by=""):
    """Sum of a gauge."""
    return f"sum{_by(by)}({series(metric, labels)})"


def highest(metric, labels="", by=""):
    """Highest value of a gauge."""
    return f"max{_by(by)}({series(metric, labels)})"


def quantile(share, histogram, labels="", by=""):
    """Below this value lies that share of a histogram's observations."""
    group = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(histogram + '_bucket', labels, group)})"


def quantiles(histogram, labels=""):
    """The three quantiles that are looked at together, with their legends."""
    return [
        (quantile(share, histogram, labels), name)
        for share, name in (("0.5", "half"), ("0.95", "95 %"), ("0.99", "99 %"))
    ]


def within(histogram, bound, missing=""):
    """Share of observations up to a bound, over the whole time shown; `missing` are those that never came."""
    over = "[$__range]"
    bucket = f"{histogram}_bucket"
    # Prometheus 3 writes the bound of a bucket as 1.0, Prometheus 2 as it was exposed.
    exact = f'le=~"{bound}(\\\\.0)?"'
    good = f"sum(rate({series(bucket, exact)}{over}))"
    count = f"sum(rate({series(histogram + '_count')}{over}))"
    if missing:
        count = f"({count} + sum(rate({series(missing)}{over})))"
    return f"{good} / {count}"


def steps(*pairs, base=GREEN):
    """Thresholds: a colour from a value on; `base` below the first."""
    found = [model.Threshold(value=None, color=base)]
    found += [model.Threshold(value=value, color=color) for value, color in pairs]
    return found


def _thresholds(found):
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(found)


def _query(expr, legend, ref, instant=False):
    query = prometheus.Dataquery().expr(expr).legend_format(legend or "__auto").ref_id(ref).datasource(SOURCE)
    return query.instant() if instant else query.range()


def _link(title, uid):
    url = f"/d/{uid}?${{__all_variables}}&${{__url_time_range}}"
    return dashboard.DashboardLink(title).type(model.DashboardLinkType.LINK).url(url)


def answer(title, description, expr, unit, thresholds, *, to="", width=3, decimals=None, no_value="no data"):
    """One number that answers a question; `to` is the dashboard with its causes."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(_thresholds(thresholds))
        .no_value(no_value)
        .color_mode(kinds.BigValueColorMode.VALUE)
        .graph_mode(kinds.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_query(expr, title, "A"))
        .height(4)
        .span(width)
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    if to:
        panel = panel.links([_link("Causes", to)])
    return panel


def graph(title, description, queries, unit, thresholds=None, *, width=8, stack=False, least=0):
    """Lines over time. Thresholds are drawn as dashed lines."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(_thresholds(thresholds or steps()))
        .fill_opacity(25 if stack else 8)
        .line_width(1)
        .show_points(kinds.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(kinds.LegendDisplayMode.TABLE)
            .placement(kinds.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING))
        .height(8)
        .span(width)
    )
    if least is not None:
        panel = panel.min(least)
    if thresholds:
        style = common.GraphThresholdsStyleConfig().mode(kinds.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds_style(style)
    if stack:
        panel = panel.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL).group("A"))
    for ref, (expr, legend) in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(_query(expr, legend, ref))
    return panel


def listing(title, description, expr, unit, thresholds, *, width=12, hidden=("Time",), no_value="none"):
    """A table with one row a series, as it is now."""
    query = _query(expr, "", "A", instant=True).format(PromQueryFormat.TABLE)
    drop = model.DataTransformerConfig(id_val="organize", options={"excludeByName": {name: True for name in hidden}})
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(_thresholds(thresholds))
        .no_value(no_value)
        .frame_index(0)
        .show_header(True)
        .align(kinds.FieldTextAlignment.AUTO)
        .inspect(False)
        .with_target(query)
        .with_transformation(drop)
        .height(8)
        .span(width)
    )


def row(title):
    """A heading; the panels after it belong to it."""
    return dashboard.Row(title)


def _choice(name, label, metric, selected):
    values = f"label_values({metric}{{{selected}}}, {name})" if selected else f"label_values({metric}, {name})"
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(values)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(text="All", value="$__all", selected=True))
    )


def board(name, title, description, panels):
    """A dashboard with the variables and links that all of them have."""
    info = "fleetwire_build_info"
    made = (
        dashboard.Dashboard(f"fleetwire / {title}")
        .uid(f"fleetwire-{name}")
        .description(description)
        .tags(["fleetwire"])
        .editable()
        .timezone("browser")
        .refresh("30s")
        .time("now-1h", "now")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("fleetwire")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(["fleetwire"])
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_choice("region", "Region", info, ""))
        .with_variable(_choice("namespace", "Namespace", info, 'region=~"$region"'))
        .with_variable(_choice("pod", "Pod", info, 'region=~"$region",namespace=~"$namespace"'))
        .with_variable(_choice("instance", "Process", info, 'region=~"$region",namespace=~"$namespace",pod=~"$pod"'))
    )
    for number, panel in enumerate(panels, 1):
        panel = panel.id(number)
        made = made.with_row(panel) if isinstance(panel, dashboard.Row) else made.with_panel(panel)
    return name, made
