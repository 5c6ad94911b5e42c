using System.Text.RegularExpressions;

namespace Gateway.Domain.Contracts;

/// <summary>The allowed spellings of contract names and labels.</summary>
public static partial class ContractNames
{
    /// <summary>The label every contract has by itself: its newest version.</summary>
    public const string Latest = "latest";

    /// <summary>The label meant when a caller names neither a version nor a label.</summary>
    public const string Production = "production";

    /// <summary>True for <c>[a-z0-9_.-]{1,64}</c>.</summary>
    public static bool IsName(string? value) => value is not null && Name().IsMatch(value);

    /// <summary>True for <c>[a-z0-9_.-]{1,36}</c> that is not digits only, so that a label is never read as a version.</summary>
    public static bool IsLabel(string? value) => value is not null && Label().IsMatch(value) && !value.All(char.IsAsciiDigit);

    /// <summary>True for labels a caller may move: every valid label but <see cref="Latest"/>.</summary>
    public static bool IsMovableLabel(string? value) => IsLabel(value) && value != Latest;

    [GeneratedRegex(@"\A[a-z0-9_.-]{1,64}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Name();

    [GeneratedRegex(@"\A[a-z0-9_.-]{1,36}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Label();
}
