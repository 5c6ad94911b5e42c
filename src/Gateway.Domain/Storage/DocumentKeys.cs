using System.Globalization;

namespace Gateway.Domain.Storage;

/// <summary>Builds the document keys that have more than one part, so that ordinal key order is the natural one.</summary>
public static class DocumentKeys
{
    /// <summary>Key of a contract version: <c>name/000001</c>.</summary>
    public static string ContractVersion(string name, int version) => string.Create(CultureInfo.InvariantCulture, $"{name}/{version:D6}");

    /// <summary>Key of a contract label: <c>name/label</c>.</summary>
    public static string ContractLabel(string name, string label) => $"{name}/{label}";

    /// <summary>Key of feedback: <c>responseId/feedbackId</c>.</summary>
    public static string Feedback(string responseId, string feedbackId) => $"{responseId}/{feedbackId}";
}
