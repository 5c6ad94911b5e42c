using System.Globalization;
using Spectre.Console;

namespace Gateway.Bench;

/// <summary>The rows of a run as a table for people.</summary>
internal static class BenchTable
{
    /// <summary>Builds the table.</summary>
    public static Table Create(IReadOnlyList<BenchRow> rows)
    {
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumns("row", "model");
        foreach (var name in (string[])["streams", "adapters", "context", "value", "limit"])
        {
            table.AddColumn(new TableColumn(name).RightAligned());
        }

        table.AddColumn("unit");
        table.AddColumn(new TableColumn("share").RightAligned());
        table.AddColumn("target");
        foreach (var row in rows)
        {
            var target = BenchTarget.Of(row, rows);
            table.AddRow(
                row.Name, $"{row.Shape} {row.Weights}", Count(row.Streams), Count(row.Adapters), Count(row.Context),
                Number(row.Value), Number(row.Limit), row.Unit, string.Create(CultureInfo.InvariantCulture, $"{100 * row.Share:F1} %"),
                target.Met is { } met ? $"{(met ? "[green]✓[/]" : "[red]✗[/]")} {target.Text.EscapeMarkup()}" : string.Empty);
        }

        return table;
    }

    private static string Count(int count) => count == 0 ? string.Empty : count.ToString(CultureInfo.InvariantCulture);

    private static string Number(double value) => value.ToString(value switch { >= 100 => "F0", >= 1 => "F2", _ => "F4" }, CultureInfo.InvariantCulture);
}
