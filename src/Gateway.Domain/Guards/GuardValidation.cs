using System.Text.RegularExpressions;
using Gateway.Domain.Contracts;

namespace Gateway.Domain.Guards;

/// <summary>Checks guards before they come into force.</summary>
public static class GuardValidation
{
    private const int MaximumRules = 32;
    private const int MaximumWords = 10_000;
    private const int MaximumWindow = 4000;
    private const int MaximumDeadlineMs = 30_000;

    /// <summary>What is wrong with a policy, by pointer; empty when it may be used.</summary>
    public static IReadOnlyList<JsonProblem> Check(GuardPolicy? policy, string pointer)
    {
        if (policy is null)
        {
            return [];
        }

        var problems = new List<JsonProblem>();
        if (policy.Rules.Count > MaximumRules)
        {
            problems.Add(new(pointer + "/rules", $"may have at most {MaximumRules} entries"));
        }

        if (policy.Window is < 1 or > MaximumWindow)
        {
            problems.Add(new(pointer + "/window", $"must be from 1 to {MaximumWindow}"));
        }

        for (var i = 0; i < policy.Rules.Count; i++)
        {
            if (Problem(policy.Rules[i]) is { } problem)
            {
                problems.Add(new($"{pointer}/rules/{i}", problem));
            }
        }

        if (policy.Rules.GroupBy(rule => rule.Id, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            problems.Add(new(pointer + "/rules", $"has the id '{twice.Key}' twice"));
        }

        return problems;
    }

    private static string? Problem(GuardRule rule)
    {
        if (string.IsNullOrEmpty(rule.Id) || rule.Id.Length > 32 || !rule.Id.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '_' or '-'))
        {
            return "needs an 'id' of 1 to 32 lower-case letters, digits, '_' or '-'";
        }

        return rule.Kind switch
        {
            GuardKind.Words or GuardKind.Topic when rule.Words is not { Count: > 0 and <= MaximumWords } || rule.Words.Any(string.IsNullOrWhiteSpace) =>
                $"needs 1 to {MaximumWords} 'words'",
            GuardKind.Topic when rule.Threshold < 1 => "needs a positive 'threshold'",
            GuardKind.Topic or GuardKind.Http when rule.Action == GuardAction.Redact => "can block or flag but not redact: what it finds has no place in the text",
            GuardKind.Pattern => PatternProblem(rule.Pattern),
            GuardKind.Http when !Uri.TryCreate(rule.Url, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.UserInfo.Length > 0 =>
                "needs an http or https 'url' without user and password",
            GuardKind.Http when rule.DeadlineMs is < 1 or > MaximumDeadlineMs => $"needs a 'deadline_ms' from 1 to {MaximumDeadlineMs}",
            _ => null,
        };
    }

    private static string? PatternProblem(string? pattern)
    {
        if (string.IsNullOrEmpty(pattern))
        {
            return "needs a 'pattern'";
        }

        try
        {
            return TextGuard.Compile(pattern).IsMatch("") ? "has a 'pattern' that matches the empty text" : null;
        }
        catch (Exception failure) when (failure is ArgumentException or NotSupportedException)
        {
            return $"has a 'pattern' that cannot be used: {failure.Message}";
        }
    }
}
