namespace Gateway.Engine.Grammars;

/// <summary>
/// The formats that decoding enforces, as patterns. JSON Schema calls formats annotations; those not listed here stay
/// annotations.
/// </summary>
internal static class Formats
{
    private const string LeapYear = @"([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)";
    private const string Date = @"([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|"
        + LeapYear + "-02-29)";

    private const string Time = @"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
    private const string TimeSpan = @"T([0-9]{1,9}H([0-9]{1,9}M([0-9]{1,9}S)?)?|[0-9]{1,9}M([0-9]{1,9}S)?|[0-9]{1,9}S)";
    private const string Days = @"([0-9]{1,9}D|[0-9]{1,9}M([0-9]{1,9}D)?|[0-9]{1,9}Y([0-9]{1,9}M([0-9]{1,9}D)?)?)";
    private const string Label = "[A-Za-z0-9](-{0,8}[A-Za-z0-9])*";
    private const string Byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    private const string Group = "[0-9A-Fa-f]{1,4}";
    private const string Mailbox = @"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";

    /// <summary>The pattern of a format, anchored; null for one that is an annotation only.</summary>
    public static string? Pattern(string format) => format switch
    {
        "date" => $"^{Date}$",
        "time" => $"^{Time}$",
        "date-time" => $"^{Date}T{Time}$",
        "duration" => $"^P({Days}({TimeSpan})?|{TimeSpan}|[0-9]{{1,9}}W)$",
        "email" => $@"^{Mailbox}(\.{Mailbox})*@{Label}(\.{Label})+$",
        "hostname" => $@"^{Label}(\.{Label})*$",
        "uuid" => "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$",
        "ipv4" => $@"^{Byte}(\.{Byte}){{3}}$",
        "ipv6" => $"^(({Group}:){{7}}{Group}|({Group}:){{1,7}}:|:(:{Group}){{1,7}}|::|({Group}:){{1,6}}:{Group}"
            + $"|({Group}:){{1,5}}(:{Group}){{2}}|({Group}:){{1,4}}(:{Group}){{3}}|({Group}:){{1,3}}(:{Group}){{4}}"
            + $"|({Group}:){{1,2}}(:{Group}){{5}}|{Group}:(:{Group}){{6}})$",
        _ => null,
    };
}
