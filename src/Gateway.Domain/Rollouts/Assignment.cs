using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Gateway.Domain.Interactions;

namespace Gateway.Domain.Rollouts;

/// <summary>Sticky random assignment of units to the arms of a rollout.</summary>
public static class Assignment
{
    /// <summary>
    /// A number in [0, 1) that is uniform over units: the first 8 bytes of SHA-256(salt ‖ 0 ‖ rolloutId ‖ 0 ‖ unit), big-endian,
    /// over 2⁶⁴ (its upper 53 bits, so that it never rounds up to 1).
    /// </summary>
    public static double Fraction(string salt, string rolloutId, string unit)
    {
        var digest = SHA256.HashData(Encoding.UTF8.GetBytes($"{salt}\0{rolloutId}\0{unit}"));
        return (BinaryPrimitives.ReadUInt64BigEndian(digest) >> 11) * (1.0 / (1UL << 53));
    }

    /// <summary>
    /// The arm at <paramref name="share"/> of traffic per arm (at most 0.5): candidate below it, control above 1 − share, else
    /// stable. The arms grow from opposite ends, so a ramp moves no unit from one to the other.
    /// </summary>
    public static Arm ArmOf(double fraction, double share) =>
        fraction < share ? Arm.Candidate : fraction >= 1 - share && share > 0 ? Arm.Control : Arm.Stable;

    /// <summary>The arm of <paramref name="unit"/> in <paramref name="rollout"/> as it stands.</summary>
    public static Arm ArmOf(Rollout rollout, string unit) =>
        ArmOf(Fraction(rollout.Salt, rollout.Id, unit), rollout.Share);

    /// <summary>The form in which a unit is recorded: the first 32 hex digits of its SHA-256.</summary>
    public static string UnitHash(string unit) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(unit)).AsSpan(0, 16));
}
