namespace Gateway.Domain.Limits;

/// <summary>Names and ends of the calendar periods of budgets, in UTC.</summary>
public static class BudgetPeriods
{
    /// <summary>The period that holds <paramref name="now"/> as a number that rises: 20260131 for a day, 202601 for a month.</summary>
    public static int Of(BudgetPeriod period, DateTimeOffset now)
    {
        var utc = now.UtcDateTime;
        var month = (utc.Year * 100) + utc.Month;
        return period == BudgetPeriod.Day ? (month * 100) + utc.Day : month;
    }

    /// <summary>When the period that holds <paramref name="now"/> ends.</summary>
    public static DateTimeOffset EndOf(BudgetPeriod period, DateTimeOffset now)
    {
        var utc = now.UtcDateTime;
        var start = new DateTimeOffset(utc.Year, utc.Month, period == BudgetPeriod.Day ? utc.Day : 1, 0, 0, 0, TimeSpan.Zero);
        return period == BudgetPeriod.Day ? start.AddDays(1) : start.AddMonths(1);
    }
}
